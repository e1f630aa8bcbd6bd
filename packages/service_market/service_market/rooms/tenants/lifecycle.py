"""The state machine of a tenant: the table that market and services share."""

from __future__ import annotations

from mt_paas.core.lifecycle import TRANSITIONS
from mt_paas.errors import IllegalTransition

from service_market.rooms.tenants.types import TenantStatus

__all__ = ["check"]


def check(tenant_id: str, current: TenantStatus, wanted: TenantStatus) -> None:
    """Raise :class:`~mt_paas.errors.IllegalTransition`, which names the tenant, where the table has no such step."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"tenant {tenant_id}", current, wanted, sorted(TRANSITIONS[current]))
