"""What happens when a service reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service_market.core.events import Event

__all__ = ["ServiceReported"]


@dataclass(frozen=True, slots=True)
class ServiceReported(Event):
    """A service told something about a tenant, for the first time, signed rightly, and true or not.

    ``happened_at`` is when the service says that it happened, and never later than now.
    """

    tenant_pk: UUID
    tenant_id: str
    type: str
    data: dict[str, Any]
    happened_at: datetime
