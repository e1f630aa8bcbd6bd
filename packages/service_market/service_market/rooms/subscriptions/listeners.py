"""What subscriptions do when something happens below them."""

from __future__ import annotations

from service_market.core.uow import UnitOfWork
from service_market.rooms.subscriptions.service import end_with_tenant
from service_market.rooms.tenants.events import TenantPurged

__all__ = ["on_tenant_purged"]


async def on_tenant_purged(uow: UnitOfWork, event: TenantPurged) -> None:
    """End the subscription for good: there is nothing left to renew."""
    await end_with_tenant(uow, event.tenant_pk)
