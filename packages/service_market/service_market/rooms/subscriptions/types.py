"""States of a subscription."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["SubscriptionState"]


class SubscriptionState(StrEnum):
    """Whether a subscription gives its organization the right to use its tenant."""

    ACTIVE = "active"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
