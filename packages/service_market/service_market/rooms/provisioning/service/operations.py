"""Starting operations: what a person, an expired term or a service asks for, checked against the tenant's state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from mt_paas.standard_api.models import DeactivateReason

from service_market.core.errors import Forbidden
from service_market.core.ids import new_id
from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.provisioning.errors import (
    DataNotPreserved,
    OperationInProgress,
    OperationNotFound,
    ReactivationDeadlinePassed,
    TenantInWrongState,
)
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.service.policy import enqueue, hasten
from service_market.rooms.provisioning.types import OperationKind, OperationState
from service_market.rooms.subscriptions import public as subscriptions
from service_market.rooms.subscriptions.errors import SubscriptionNotActive
from service_market.rooms.tenants import public as tenants
from service_market.rooms.tenants.public import TenantRef
from service_market.rooms.tenants.types import TenantStatus

__all__ = [
    "close_expired",
    "deactivate",
    "find",
    "must_be_revivable",
    "provision",
    "purge",
    "reactivate",
    "resume_forgotten",
    "start",
    "wake",
]

_FORGOTTEN_AFTER = timedelta(seconds=30)
_FORGOTTEN_AT_ONCE = 500
log = get_logger(__name__)


async def start(
    uow: UnitOfWork, kind: OperationKind, tenant: TenantRef, *, operation_id: UUID | None = None, **params: Any
) -> UUID:
    """Write an operation and the job that runs it, in this transaction; return its id.

    Several may wait for one tenant; they run in the order of their start.
    """
    operation_id = operation_id or new_id()
    await Operations(uow).add(
        id=operation_id,
        kind=kind,
        tenant_pk=tenant.pk,
        tenant_id=tenant.tenant_id,
        service_id=tenant.service_id,
        organization_id=tenant.organization_id,
        state=OperationState.PENDING,
        params=params,
        requested_by=uow.principal.name,
    )
    await enqueue(uow, operation_id, tenant.pk)
    return operation_id


async def _idle(uow: UnitOfWork, tenant_id: str) -> TenantRef:
    """Return the locked tenant. Raises ``TenantNotFound``, and :class:`OperationInProgress` while one is open."""
    tenant = await tenants.lock_tenant(uow, tenant_id)
    running = await Operations(uow).open_of_tenant(tenant.pk)
    if running is not None:
        raise OperationInProgress(
            f"{running.kind} of {tenant_id} is under way; wait for it to end.",
            details={"operation_id": str(running.id), "kind": running.kind, "state": running.state},
        )
    return tenant


def _must_be(tenant: TenantRef, *allowed: TenantStatus) -> None:
    if tenant.state not in allowed:
        raise TenantInWrongState(
            f"{tenant.tenant_id} is {tenant.state}; this takes a tenant that is {' or '.join(allowed)}.",
            details={"state": tenant.state, "allowed": list(allowed)},
        )


async def provision(uow: UnitOfWork, tenant_id: str) -> UUID:
    """Activate a tenant that is pending or whose activation failed; while that is under way, return the same operation.

    Raises ``TenantNotFound``, :class:`OperationInProgress`, ``SubscriptionNotActive`` and :class:`TenantInWrongState`.
    """
    tenant = await tenants.lock_tenant(uow, tenant_id)
    running = await Operations(uow).open_of_tenant(tenant.pk)
    if running is not None and running.kind in {OperationKind.ACTIVATE, OperationKind.REACTIVATE}:
        return running.id
    tenant = await _idle(uow, tenant_id)
    _must_be(tenant, TenantStatus.PENDING, TenantStatus.FAILED)
    await _subscribed(uow, tenant)
    return await start(uow, OperationKind.ACTIVATE, tenant)


def must_be_revivable(uow: UnitOfWork, tenant: TenantRef) -> None:
    """Raise unless a deactivated tenant can come back with its data, and this caller may have it brought back.

    Raises :class:`DataNotPreserved`, :class:`ReactivationDeadlinePassed`, and ``Forbidden`` after a violation.
    """
    if tenant.deactivation_reason == DeactivateReason.VIOLATION and not uow.principal.unfenced:
        raise Forbidden(f"{tenant.tenant_id} was closed for a violation; only the operator can bring it back.")
    if not tenant.data_preserved:
        raise DataNotPreserved
    deadline = tenant.reactivation_deadline
    if deadline is not None and deadline <= uow.now():
        raise ReactivationDeadlinePassed(f"{tenant.tenant_id} could be brought back until {deadline:%Y-%m-%d}.")


async def _subscribed(uow: UnitOfWork, tenant: TenantRef) -> None:
    if await subscriptions.subscribed_until(uow, tenant.pk) is None:
        raise SubscriptionNotActive(f"The subscription of {tenant.tenant_id} has ended; renew it to go on.")


async def deactivate(uow: UnitOfWork, tenant_id: str, reason: DeactivateReason) -> UUID:
    """Close the tenant, and keep its data until the reactivation deadline.

    Raises ``TenantNotFound``, :class:`OperationInProgress` and :class:`TenantInWrongState`.
    """
    if reason is DeactivateReason.VIOLATION and not uow.principal.unfenced:
        raise Forbidden("Only the operator closes a tenant for a violation.")
    tenant = await _idle(uow, tenant_id)
    _must_be(tenant, TenantStatus.ACTIVE, TenantStatus.SUSPENDED, TenantStatus.DEACTIVATING)
    return await start(uow, OperationKind.DEACTIVATE, tenant, reason=reason)


async def reactivate(uow: UnitOfWork, tenant_id: str, *, renew_months: int | None) -> UUID:
    """Bring a deactivated tenant back with its data; with ``renew_months``, first renew a subscription that has ended.

    Raises ``TenantNotFound``, :class:`OperationInProgress`, :class:`DataNotPreserved`,
    :class:`ReactivationDeadlinePassed`, ``SubscriptionNotActive`` and :class:`TenantInWrongState`.
    """
    tenant = await _idle(uow, tenant_id)
    _must_be(tenant, TenantStatus.DEACTIVATED)
    must_be_revivable(uow, tenant)
    if renew_months is not None and await subscriptions.subscribed_until(uow, tenant.pk) is None:
        operation_id = await subscriptions.renew_for_tenant(uow, tenant.pk, renew_months)
        if operation_id is not None:
            return operation_id
    await _subscribed(uow, tenant)
    return await start(uow, OperationKind.REACTIVATE, tenant)


async def purge(uow: UnitOfWork, tenant_id: str) -> UUID:
    """Delete a deactivated tenant's data at its service, for ever.

    Raises ``TenantNotFound``, :class:`OperationInProgress` and :class:`TenantInWrongState`.
    """
    tenant = await _idle(uow, tenant_id)
    _must_be(tenant, TenantStatus.DEACTIVATED, TenantStatus.PURGING)
    return await start(uow, OperationKind.PURGE, tenant)


async def wake(uow: UnitOfWork, tenant_pk: UUID, remote_id: str) -> None:
    """Let the operation that waits for the service's operation ``remote_id`` ask for it now; nothing if none does."""
    operation_id = await Operations(uow).wake(tenant_pk, remote_id)
    if operation_id is not None:
        await hasten(uow, operation_id)


async def find(uow: UnitOfWork, operation_id: UUID) -> Operation:
    """Return the operation with its steps. Raises :class:`OperationNotFound`."""
    found = await Operations(uow).get(operation_id)
    if found is None:
        raise OperationNotFound
    return found


async def resume_forgotten(kernel: Kernel) -> int:
    """Give every open operation whose job was lost a new job; return how many there were."""
    async with kernel.unit() as uow:
        forgotten = await Operations(uow).forgotten(older_than=_FORGOTTEN_AFTER, limit=_FORGOTTEN_AT_ONCE)
        for operation in forgotten:
            log.warning("operation had no job", operation_id=str(operation.id), kind=operation.kind)
            await enqueue(uow, operation.id, operation.tenant_pk)
    return len(forgotten)


async def close_expired(kernel: Kernel) -> int:
    """Start the deactivation of tenants that are open although their subscription has ended; return how many.

    The sweep starts it when the term ends. This finds those whose operation was given up because the service was away.
    """
    closed = 0
    async with kernel.unit() as uow:
        ended = await Operations(uow).open_without_subscription(limit=_FORGOTTEN_AT_ONCE)
    for tenant_pk in ended:
        async with kernel.unit() as uow:
            tenant = await tenants.lock_tenant(uow, tenant_pk)
            if await Operations(uow).open_of_tenant(tenant_pk) is not None:
                continue
            if await subscriptions.subscribed_until(uow, tenant_pk) is None:
                reason = DeactivateReason.SUBSCRIPTION_EXPIRED
                await start(uow, OperationKind.DEACTIVATE, tenant, reason=reason)
                closed += 1
    if closed:
        log.warning("tenants were open without a subscription", count=closed)
    return closed
