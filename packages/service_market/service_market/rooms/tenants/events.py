"""What happens to tenants."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from service_market.core.events import Event

__all__ = ["TenantActivated", "TenantDeactivated", "TenantFailed", "TenantPurged"]


@dataclass(frozen=True, slots=True)
class TenantActivated(Event):
    """A tenant became active, for the first time or again."""

    tenant_pk: UUID
    tenant_id: str


@dataclass(frozen=True, slots=True)
class TenantFailed(Event):
    """A tenant could not be made real."""

    tenant_pk: UUID
    tenant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TenantDeactivated(Event):
    """A tenant was closed; its data are kept, or not."""

    tenant_pk: UUID
    tenant_id: str


@dataclass(frozen=True, slots=True)
class TenantPurged(Event):
    """A tenant's data are gone."""

    tenant_pk: UUID
    tenant_id: str
