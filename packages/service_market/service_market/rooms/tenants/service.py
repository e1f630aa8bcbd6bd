"""Use cases of the registry: a tenant is created, walks its states, and is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service_market.core.uow import UnitOfWork
from service_market.rooms.tenants import lifecycle
from service_market.rooms.tenants.errors import SetupLinkTaken, TenantIdTaken, TenantNotFound
from service_market.rooms.tenants.models import Tenant, TenantTransition
from service_market.rooms.tenants.repository import Tenants
from service_market.rooms.tenants.types import TenantStatus

__all__ = [
    "Activation",
    "create",
    "find",
    "history",
    "locked",
    "record_activation",
    "report_status",
    "take_setup_link",
    "transition",
]

_LONGEST_ID = 63


@dataclass(frozen=True, slots=True)
class Activation:
    """What a service answered when it activated a tenant."""

    access_url: str
    setup_url: str | None
    setup_expires_at: datetime | None


async def find(uow: UnitOfWork, tenant: str | UUID, *, lock: bool = False) -> Tenant:
    """Return the tenant of that slug or id; with ``lock``, nobody else changes it until the unit ends.

    Raises :class:`TenantNotFound`, also for a tenant outside the caller's fence.
    """
    tenants = Tenants(uow)
    if isinstance(tenant, UUID):
        found = await tenants.by_pk(tenant, lock=lock)
    else:
        found = await tenants.get(tenant, lock=lock)
    if found is None:
        raise TenantNotFound(f"There is no tenant {tenant}.")
    return found


async def locked(uow: UnitOfWork, tenant: str | UUID) -> Tenant:
    """Return the tenant of that slug or id, locked until the unit ends. Raises :class:`TenantNotFound`."""
    return await find(uow, tenant, lock=True)


async def create(
    uow: UnitOfWork,
    *,
    tenant_id: str | None,
    organization_id: UUID,
    organization_slug: str,
    service_id: str,
    **facts: Any,
) -> Tenant:
    """Create a ``pending`` tenant.

    Without a ``tenant_id`` it is the organization's slug, or if that was given out before, the slug with the
    service's id. Raises :class:`TenantIdTaken`.
    """
    candidates = [tenant_id] if tenant_id else _default_ids(organization_slug, service_id)
    for candidate in candidates:
        tenant = await Tenants(uow).add(
            tenant_id=candidate,
            organization_id=organization_id,
            service_id=service_id,
            state=TenantStatus.PENDING,
            created_at=uow.now(),
            **facts,
        )
        if tenant is not None:
            _note(uow, tenant, None, reason="subscribed")
            return tenant
    if tenant_id:
        raise TenantIdTaken(f"The tenant id {tenant_id} is in use, or was; choose another.")
    raise TenantIdTaken(f"Every id that begins with {candidates[1]} was given out; choose one.")


def _default_ids(organization_slug: str, service_id: str) -> list[str]:
    base = f"{organization_slug}_{service_id}"
    if len(base) > _LONGEST_ID - 3:  # room for a number
        base = base[: _LONGEST_ID - 12].rstrip("_-") + "_" + hashlib.sha256(base.encode()).hexdigest()[:8]
    return [organization_slug, base, *(f"{base}_{number}" for number in range(2, 100))]


async def transition(
    uow: UnitOfWork, tenant: Tenant, to: TenantStatus, *, reason: str, operation_id: UUID | None = None
) -> None:
    """Move a locked tenant to ``to`` and write the step down. Raises :class:`~mt_paas.errors.IllegalTransition`."""
    before = TenantStatus(tenant.state)
    lifecycle.check(tenant.tenant_id, before, to)
    tenant.state = to
    if to is TenantStatus.FAILED:
        tenant.failure_reason = reason
    elif to in {TenantStatus.ACTIVE, TenantStatus.DEACTIVATED, TenantStatus.PURGED}:
        tenant.failure_reason = None
    _note(uow, tenant, before, reason=reason, operation_id=operation_id)
    await uow.session.flush()


def _note(
    uow: UnitOfWork, tenant: Tenant, before: TenantStatus | None, *, reason: str, operation_id: UUID | None = None
) -> None:
    Tenants(uow).note(
        TenantTransition(
            tenant_pk=tenant.id,
            from_state=before,
            to_state=tenant.state,
            actor=uow.principal.name,
            reason=reason,
            operation_id=operation_id,
            at=uow.now(),
        )
    )


def record_activation(uow: UnitOfWork, tenant: Tenant, activation: Activation) -> None:
    """Keep what the service answered. The set-up link is sealed until it is taken."""
    tenant.access_url = activation.access_url
    tenant.activated_at = uow.now()
    tenant.deactivated_at = tenant.reactivation_deadline = tenant.data_preserved = tenant.deactivation_reason = None
    tenant.may_be_orphaned = False
    tenant.setup_expires_at = activation.setup_expires_at
    tenant.sealed_setup_url = (
        uow.box.seal(activation.setup_url, context=_link_context(tenant)) if activation.setup_url else None
    )


def _link_context(tenant: Tenant) -> str:
    return f"tenant:{tenant.id}:setup_url"


async def take_setup_link(uow: UnitOfWork, tenant_id: str) -> tuple[str, datetime | None]:
    """Return the set-up link and forget it. Raises :class:`TenantNotFound` and :class:`SetupLinkTaken`."""
    tenant = await locked(uow, tenant_id)
    expired = tenant.setup_expires_at is not None and tenant.setup_expires_at <= uow.now()
    if tenant.sealed_setup_url is None or expired:
        raise SetupLinkTaken
    link = uow.box.open(tenant.sealed_setup_url, context=_link_context(tenant))
    tenant.sealed_setup_url = None
    return link, tenant.setup_expires_at


async def report_status(uow: UnitOfWork, tenant_id: str, status: str) -> Tenant:
    """Note what a service says of its tenant. The market's state stays the market's. Raises :class:`TenantNotFound`."""
    tenant = await locked(uow, tenant_id)
    tenant.reported_status, tenant.reported_at = status, uow.now()
    return tenant


async def history(uow: UnitOfWork, tenant_id: str) -> Sequence[TenantTransition]:
    """Return every step of a tenant's life, first to last. Raises :class:`TenantNotFound`."""
    return await Tenants(uow).transitions(await find(uow, tenant_id))
