"""Asking a service how a tenant is, and remembering what it said."""

from __future__ import annotations

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.simulator.market import Market
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.standard_api.models import StatusResponse, TenantState

__all__ = ["look"]


async def look(market: Market, tenant: SimulatedTenant) -> StatusResponse:
    """Ask for the tenant's status, and keep it as what was seen; a schedule that has come to pass is taken over."""
    answered = await market.ask("status", lambda client: client.status(tenant.tenant_id), tenant.tenant_id)
    tenant.seen = answered.answer
    came_to_pass = tenant.deactivate_at is not None and tenant.seen.status is TenantState.DEACTIVATED
    if came_to_pass and tenant.may_become(TenantStatus.DEACTIVATING):
        tenant.deactivate_at = None
        market.tenants.adopt(tenant, TenantStatus.DEACTIVATED)
    return answered.answer
