"""Between the rows of the registry and the values that the rest of the library sees."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.models import TenantRow, TransitionRow
from mt_paas.core.schemas import ActivationCall, Profile, Tenant, Transition
from mt_paas.errors import TenantNotFound

__all__ = ["columns", "locked", "tenant", "transition", "unknown"]


async def locked(session: AsyncSession, tenant_id: str) -> TenantRow:
    """Return the tenant's row, held until the transaction ends. Raises ``TenantNotFound``."""
    row = await session.get(TenantRow, tenant_id, with_for_update=True)
    if row is None:
        raise unknown(tenant_id)
    return row


def unknown(tenant_id: str) -> TenantNotFound:
    """Return the error that says that there is no such tenant."""
    return TenantNotFound(f"This service has no tenant {tenant_id}.")


def columns(profile: Profile, call: ActivationCall | None = None) -> dict[str, Any]:
    """Return what a row has of what the subscriber decided, and of the call that the activation answers."""
    answered = {} if call is None else {"fingerprint": call.fingerprint, "idempotency_key": call.idempotency_key}
    return answered | {
        "name": profile.name,
        "service_type": profile.service_type,
        "plan": profile.plan,
        "features": list(profile.features),
        "config": dict(profile.config),
        "admin_email": profile.admin_email,
        "admin_name": profile.admin_name,
    }


def tenant(row: TenantRow | Row[Any]) -> Tenant:
    """Return the tenant as its row has it."""
    return Tenant(
        tenant_id=row.tenant_id,
        profile=Profile(
            name=row.name,
            service_type=row.service_type,
            plan=row.plan,
            features=tuple(row.features),
            config=row.config,
            admin_email=row.admin_email,
            admin_name=row.admin_name,
        ),
        status=row.status,
        isolation=row.isolation,
        database=row.database,
        created_at=row.created_at,
        activation=row.activation,
        activated_at=row.activated_at,
        deactivate_at=row.deactivate_at,
        deactivated_at=row.deactivated_at,
        data_preserved=row.data_preserved,
        reactivation_deadline=row.reactivation_deadline,
        failure_reason=row.failure_reason,
        idempotency_key=row.idempotency_key,
        fingerprint=row.fingerprint,
        rotation=row.rotation,
        rotated_at=row.rotated_at,
        tables=row.tables,
        revision=row.revision,
        quarantined_at=row.quarantined_at,
        quarantine_reason=row.quarantine_reason,
    )


def transition(row: TransitionRow | Row[Any]) -> Transition:
    """Return one step of a tenant's life."""
    return Transition(row.came_from, row.went_to, row.at, row.actor, row.reason)
