"""The door of the tenant registry for its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service_market.core.uow import UnitOfWork
from service_market.rooms.tenants import service
from service_market.rooms.tenants.models import Tenant
from service_market.rooms.tenants.service import Activation
from service_market.rooms.tenants.types import TenantStatus

__all__ = [
    "Activation",
    "TenantRef",
    "create_tenant",
    "find_tenant",
    "lock_tenant",
    "note_failure",
    "note_possible_orphan",
    "record_activation",
    "record_deactivation",
    "record_purge",
    "transition",
]


@dataclass(frozen=True, slots=True)
class TenantRef:
    """A tenant as its neighbours see it."""

    pk: UUID
    tenant_id: str
    name: str
    organization_id: UUID
    service_id: str
    manifest_version_id: UUID
    plan: str
    features: tuple[str, ...]
    config: dict[str, Any]
    admin_email: str
    admin_name: str
    state: TenantStatus
    activated: bool
    data_preserved: bool | None
    reactivation_deadline: datetime | None
    deactivation_reason: str | None


def _ref(tenant: Tenant) -> TenantRef:
    return TenantRef(
        pk=tenant.id,
        tenant_id=tenant.tenant_id,
        name=tenant.name,
        organization_id=tenant.organization_id,
        service_id=tenant.service_id,
        manifest_version_id=tenant.manifest_version_id,
        plan=tenant.plan,
        features=tuple(tenant.features),
        config=tenant.config,
        admin_email=tenant.admin_email,
        admin_name=tenant.admin_name,
        state=TenantStatus(tenant.state),
        activated=tenant.activated_at is not None,
        data_preserved=tenant.data_preserved,
        reactivation_deadline=tenant.reactivation_deadline,
        deactivation_reason=tenant.deactivation_reason,
    )


async def create_tenant(
    uow: UnitOfWork,
    *,
    tenant_id: str | None,
    organization_id: UUID,
    organization_slug: str,
    service_id: str,
    manifest_version_id: UUID,
    name: str,
    plan: str,
    features: tuple[str, ...],
    config: dict[str, Any],
    admin_email: str,
    admin_name: str,
    isolation: str,
) -> TenantRef:
    """Create a ``pending`` tenant. Raises ``TenantIdTaken``."""
    return _ref(
        await service.create(
            uow,
            tenant_id=tenant_id,
            organization_id=organization_id,
            organization_slug=organization_slug,
            service_id=service_id,
            manifest_version_id=manifest_version_id,
            name=name,
            plan=plan,
            features=list(features),
            config=config,
            admin_email=admin_email,
            admin_name=admin_name,
            isolation=isolation,
        )
    )


async def find_tenant(uow: UnitOfWork, tenant: str | UUID) -> TenantRef:
    """Return the tenant of that slug or id, within the caller's fence. Raises ``TenantNotFound``."""
    return _ref(await service.find(uow, tenant))


async def lock_tenant(uow: UnitOfWork, tenant: str | UUID) -> TenantRef:
    """Return the tenant of that slug or id, locked until the unit ends. Raises ``TenantNotFound``."""
    return _ref(await service.locked(uow, tenant))


async def transition(
    uow: UnitOfWork, tenant_pk: UUID, to: TenantStatus, *, reason: str, operation_id: UUID | None = None
) -> None:
    """Move the tenant to ``to`` and write the step down. Raises ``IllegalTransition``."""
    await service.transition(uow, await service.locked(uow, tenant_pk), to, reason=reason, operation_id=operation_id)


async def record_activation(uow: UnitOfWork, tenant_pk: UUID, activation: Activation) -> None:
    """Keep what the service answered to an activation."""
    service.record_activation(uow, await service.locked(uow, tenant_pk), activation)


async def record_deactivation(
    uow: UnitOfWork, tenant_pk: UUID, *, data_preserved: bool, deadline: datetime | None, reason: str
) -> None:
    """Keep what the service answered to a deactivation."""
    tenant = await service.locked(uow, tenant_pk)
    tenant.deactivated_at, tenant.deactivation_reason = uow.now(), reason
    tenant.data_preserved, tenant.reactivation_deadline = data_preserved, deadline
    tenant.sealed_setup_url = None


async def record_purge(uow: UnitOfWork, tenant_pk: UUID) -> None:
    """Note that the tenant's data are gone."""
    tenant = await service.locked(uow, tenant_pk)
    tenant.data_preserved, tenant.access_url, tenant.reactivation_deadline = False, None, None


async def note_failure(uow: UnitOfWork, tenant_pk: UUID, reason: str) -> None:
    """Keep why the tenant is stuck where it is, in the words of what went wrong."""
    (await service.locked(uow, tenant_pk)).failure_reason = reason


async def note_possible_orphan(uow: UnitOfWork, tenant_pk: UUID) -> None:
    """Note that the service may hold the tenant although the market gave it up."""
    (await service.locked(uow, tenant_pk)).may_be_orphaned = True
