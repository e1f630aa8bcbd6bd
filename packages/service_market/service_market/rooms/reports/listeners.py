"""What reports do when something happens below them."""

from __future__ import annotations

from service_market.core.uow import UnitOfWork
from service_market.rooms.reports.service import forget_tenant
from service_market.rooms.tenants.events import TenantPurged

__all__ = ["on_purged"]


async def on_purged(uow: UnitOfWork, event: TenantPurged) -> None:
    """Forget what the service told of a tenant whose data are gone, and take nothing more."""
    await forget_tenant(uow, event.tenant_pk)
