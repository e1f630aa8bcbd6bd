"""States of a service in the catalogue."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ServiceState"]


class ServiceState(StrEnum):
    """Where a service is on its way into the catalogue, and out of it."""

    DRAFT = "draft"
    VERIFYING = "verifying"
    LISTED = "listed"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    RETIRED = "retired"
