"""What provisioning does when a subscription starts, ends, or comes back."""

from __future__ import annotations

from mt_paas.standard_api.models import DeactivateReason

from service_market.core.uow import UnitOfWork
from service_market.rooms.provisioning.service.operations import must_be_revivable, start, wake
from service_market.rooms.provisioning.types import OperationKind
from service_market.rooms.reports.events import ServiceReported
from service_market.rooms.subscriptions.events import (
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionRenewed,
    SubscriptionStarted,
)
from service_market.rooms.tenants.public import lock_tenant
from service_market.rooms.tenants.types import TenantStatus

__all__ = ["on_cancelled", "on_expired", "on_renewed", "on_reported", "on_started"]


async def on_started(uow: UnitOfWork, event: SubscriptionStarted) -> None:
    """Activate the new tenant."""
    tenant = await lock_tenant(uow, event.tenant_pk)
    await start(uow, OperationKind.ACTIVATE, tenant, operation_id=event.operation_id)


async def on_renewed(uow: UnitOfWork, event: SubscriptionRenewed) -> None:
    """Bring the tenant back, after whatever is still under way. Raises as a reactivation does."""
    tenant = await lock_tenant(uow, event.tenant_pk)
    if tenant.state in {TenantStatus.DEACTIVATED, TenantStatus.PURGING, TenantStatus.PURGED}:
        must_be_revivable(uow, tenant)
    if tenant.state is TenantStatus.DEACTIVATING:  # closing it was given up: it must be closed before it comes back
        await start(uow, OperationKind.DEACTIVATE, tenant, reason=DeactivateReason.SUBSCRIPTION_EXPIRED)
    await start(uow, OperationKind.REACTIVATE, tenant, operation_id=event.operation_id)


async def on_expired(uow: UnitOfWork, event: SubscriptionExpired) -> None:
    """Deactivate the tenant, after whatever is still under way."""
    tenant = await lock_tenant(uow, event.tenant_pk)
    await start(
        uow,
        OperationKind.DEACTIVATE,
        tenant,
        operation_id=event.operation_id,
        reason=DeactivateReason.SUBSCRIPTION_EXPIRED,
    )


async def on_cancelled(uow: UnitOfWork, event: SubscriptionCancelled) -> None:
    """Deactivate the tenant; one that never was active is cancelled with its subscription."""
    tenant = await lock_tenant(uow, event.tenant_pk)
    await start(
        uow,
        OperationKind.DEACTIVATE,
        tenant,
        operation_id=event.operation_id,
        reason=DeactivateReason.ADMIN_REQUEST,
        cancel=True,
    )


async def on_reported(uow: UnitOfWork, event: ServiceReported) -> None:
    """Ask at once for what the service works on, where it names that: it says that there is something new of it.

    Nothing else of the event is believed. One that comes before the market knows what it waits for changes nothing.
    """
    named = event.data.get("operation_id")
    if isinstance(named, str):
        await wake(uow, event.tenant_pk, named)
