"""The steps of a tenant's life, as a market takes them: a call, what it comes to, and a look at whether it is so.

A step that the market's table does not have (an activation of an active tenant) is sent all the same, and said to be
out of order: a vendor wants to see what their service makes of it. The state is then what the service was seen to have.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ServiceCallError, ServiceRefused
from mt_paas.simulator.disorder import overtaken, send_activation_late
from mt_paas.simulator.journal import Level
from mt_paas.simulator.looking import look
from mt_paas.simulator.market import Market, Send
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.simulator.verdicts import reason
from mt_paas.standard_api.client import StandardAPIClient
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    DeactivateReason,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    PlanChangeRequest,
    PlanChangeResponse,
    SuspendRequest,
    TenantState,
    TenantStateResponse,
)

__all__ = ["activate", "change_plan", "deactivate", "delete", "purge", "resume", "suspend"]

_SEEN_AS = {
    TenantState.ACTIVE: TenantStatus.ACTIVE,
    TenantState.SUSPENDED: TenantStatus.SUSPENDED,
    TenantState.DEACTIVATED: TenantStatus.DEACTIVATED,
}


async def activate(market: Market, tenant: SimulatedTenant, request: ActivateRequest) -> ActivateResponse:
    """Have the tenant made, or brought back."""
    if "events" in market.manifest.capabilities:
        request = request.model_copy(update={"callback": tenant.callback(market.events_url)})
        market.mask.learn(tenant.token, tenant.secret)
    key = str(uuid4())

    async def send(client: StandardAPIClient) -> ActivateResponse:
        return await client.activate(request, idempotency_key=key)

    if tenant.may_become(TenantStatus.PROVISIONING):
        tenant.request = request
        async with market.lifecycle.provisioning(tenant.tenant_id):
            answer = await _activated(market, tenant, send)
            tenant.key = key
            await _expect(market, tenant, TenantState.ACTIVE, plan=request.plan)
    else:
        _out_of_order(market, tenant, "activated")
        answer = await _activated(market, tenant, send)
        tenant.request, tenant.key = request, key
        await _adopt(market, tenant)
    tenant.access_url, tenant.deadline, tenant.deactivate_at = answer.access_url, None, None
    credentials = answer.admin_credentials
    tenant.setup_url = credentials.setup_url if credentials else None
    if credentials and credentials.temp_password is not None:
        text = "activate answered temp_password: a password in an answer is a secret in many logs; give a setup_url"
        market.journal.note(Level.WARNING, text, tenant_id=tenant.tenant_id)
    return answer


async def deactivate(
    market: Market,
    tenant: SimulatedTenant,
    *,
    why: DeactivateReason,
    keep: bool,
    at: datetime | None = None,
) -> DeactivateResponse:
    """Have the tenant closed, now or later."""
    request = DeactivateRequest(reason=why, preserve_data=keep, deactivate_at=at)
    key = str(uuid4())

    async def send(client: StandardAPIClient) -> DeactivateResponse:
        return await client.deactivate(tenant.tenant_id, request, idempotency_key=key)

    if at is not None and at > market.clock():
        answer = (await market.drive("deactivate", send, tenant.tenant_id)).answer
        tenant.deactivate_at = at if answer.status == "scheduled" else None
        if answer.status == "scheduled":
            await _expect(market, tenant, TenantState.ACTIVE)
        else:
            market.find_fault(f"deactivate_at is in the future, and {tenant.tenant_id} is {answer.status}")
            await _adopt(market, tenant)
        return answer
    if tenant.state is TenantStatus.DEACTIVATING or tenant.may_become(TenantStatus.DEACTIVATING):
        resumed = tenant.state is TenantStatus.DEACTIVATING
        async with market.lifecycle.deactivating(tenant.tenant_id, resume=resumed):
            answer = (await market.drive("deactivate", send, tenant.tenant_id)).answer
            await _check_deactivation(market, tenant, answer, keep=keep)
    else:
        _out_of_order(market, tenant, "deactivated")
        answer = (await market.drive("deactivate", send, tenant.tenant_id)).answer
        await _adopt(market, tenant, may_be_gone=not keep)
    tenant.deadline, tenant.deactivate_at = answer.reactivation_deadline, None
    if keep and market.dice.falls(market.knobs.disorder, "disorder", "deactivate", tenant.tenant_id):
        await send_activation_late(market, tenant)
    if not keep and tenant.state is TenantStatus.DEACTIVATED:
        async with market.lifecycle.purging(tenant.tenant_id, reason="preserve_data was false"):
            pass
    return answer


async def suspend(market: Market, tenant: SimulatedTenant, why: str) -> TenantStateResponse:
    """Have the tenant blocked for its users."""

    async def send(client: StandardAPIClient) -> TenantStateResponse:
        return await client.suspend(tenant.tenant_id, SuspendRequest(reason=why))

    return await _switch(market, tenant, "suspend", send, TenantStatus.SUSPENDED)


async def resume(market: Market, tenant: SimulatedTenant) -> TenantStateResponse:
    """Have a suspended tenant opened again."""

    async def send(client: StandardAPIClient) -> TenantStateResponse:
        return await client.resume(tenant.tenant_id)

    return await _switch(market, tenant, "resume", send, TenantStatus.ACTIVE)


async def change_plan(market: Market, tenant: SimulatedTenant, request: PlanChangeRequest) -> PlanChangeResponse:
    """Have the tenant put on another plan."""
    key = str(uuid4())

    async def send(client: StandardAPIClient) -> PlanChangeResponse:
        return await client.change_plan(tenant.tenant_id, request, idempotency_key=key)

    if not tenant.may_become(TenantStatus.UPDATING):
        _out_of_order(market, tenant, "put on another plan")
        return (await market.drive("plan", send, tenant.tenant_id)).answer
    async with market.lifecycle.updating(tenant.tenant_id):
        answer = (await market.drive("plan", send, tenant.tenant_id)).answer
        changed = {"plan": request.plan, "features": request.features, "config": request.config}
        tenant.request = tenant.request.model_copy(update=changed)
        await _expect(market, tenant, TenantState.ACTIVE, plan=request.plan)
    return answer


async def delete(market: Market, tenant: SimulatedTenant) -> DeactivateResponse:
    """Have the data of a deactivated tenant deleted by version 1's call, where the manifest declares no other."""
    request, key = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=False), str(uuid4())

    async def send(client: StandardAPIClient) -> DeactivateResponse:
        return await client.deactivate(tenant.tenant_id, request, idempotency_key=key)

    async with market.lifecycle.purging(tenant.tenant_id, resume=tenant.state is TenantStatus.PURGING):
        return (await market.drive("deactivate", send, tenant.tenant_id)).answer


async def purge(market: Market, tenant: SimulatedTenant) -> DeletionReceipt:
    """Have the tenant's data deleted, by the call that the manifest declares."""
    key = str(uuid4())

    async def send(client: StandardAPIClient) -> DeletionReceipt:
        return await client.purge(tenant.tenant_id, idempotency_key=key)

    if tenant.state is not TenantStatus.PURGING and not tenant.may_become(TenantStatus.PURGING):
        _out_of_order(market, tenant, "purged")
        answer = (await market.drive("purge", send, tenant.tenant_id)).answer
        market.tenants.adopt(tenant, TenantStatus.PURGED)
        return answer
    async with market.lifecycle.purging(tenant.tenant_id, resume=tenant.state is TenantStatus.PURGING):
        answer = (await market.drive("purge", send, tenant.tenant_id)).answer
        await _expect_gone(market, tenant)
    return answer


async def _switch(
    market: Market, tenant: SimulatedTenant, call: str, send: Send[TenantStateResponse], to: TenantStatus
) -> TenantStateResponse:
    in_order = tenant.may_become(to)
    if not in_order:
        _out_of_order(market, tenant, f"{call}d" if call.endswith("e") else f"{call}ed")
    answer = (await market.drive(call, send, tenant.tenant_id)).answer
    if in_order:
        await market.tenants.transition(tenant.tenant_id, to, reason="", actor="simulator")
        await _expect(market, tenant, TenantState(to))
    else:
        await _adopt(market, tenant)
    return answer


async def _activated(market: Market, tenant: SimulatedTenant, send: Send[ActivateResponse]) -> ActivateResponse:
    if market.dice.falls(market.knobs.disorder, "disorder", "activate", tenant.tenant_id):
        return await overtaken(market, tenant, send)
    return (await market.drive("activate", send, tenant.tenant_id)).answer


def _out_of_order(market: Market, tenant: SimulatedTenant, done: str) -> None:
    text = f"{tenant.tenant_id} is {tenant.state}, from where a market does not have it {done}; the call is sent anyway"
    market.journal.note(Level.INFO, text, tenant_id=tenant.tenant_id)


async def _expect(market: Market, tenant: SimulatedTenant, state: TenantState, *, plan: str | None = None) -> None:
    """Ask whether a step has come to what it should have; a service that can not tell was still called rightly."""
    try:
        seen = await look(market, tenant)
    except ServiceCallError as error:
        text = f"the status of {tenant.tenant_id} can not be checked: {reason(error)}"
        market.journal.note(Level.WARNING, text, tenant_id=tenant.tenant_id)
        return
    if seen.status is not state:
        market.find_fault(
            f"{tenant.tenant_id} should be {state} now, and its status says {seen.status}", tenant.tenant_id
        )
    elif plan is not None and seen.plan != plan:
        text = f"{tenant.tenant_id} should be on the plan {plan} now, and its status says {seen.plan}"
        market.find_fault(text, tenant.tenant_id)


async def _expect_gone(market: Market, tenant: SimulatedTenant) -> None:
    try:
        seen = await look(market, tenant)
    except ServiceRefused:
        return  # 404 or 410
    except ServiceCallError as error:
        market.journal.note(Level.WARNING, f"whether {tenant.tenant_id} is gone is not known: {reason(error)}")
        return
    market.find_fault(f"{tenant.tenant_id} was purged, and its status says {seen.status}", tenant.tenant_id)


async def _adopt(market: Market, tenant: SimulatedTenant, *, may_be_gone: bool = False) -> None:
    """Take over the state that the service says the tenant has."""
    try:
        seen = await look(market, tenant)
    except ServiceRefused as error:
        if not may_be_gone or error.status not in {404, 410}:
            raise
        market.tenants.adopt(tenant, TenantStatus.PURGED)
        return
    market.tenants.adopt(tenant, _SEEN_AS[seen.status])


async def _check_deactivation(
    market: Market, tenant: SimulatedTenant, answer: DeactivateResponse, *, keep: bool
) -> None:
    if answer.status != "deactivated":
        market.find_fault(f"no deactivate_at was given, and {tenant.tenant_id} is {answer.status}", tenant.tenant_id)
    if answer.data_preserved is not keep:
        text = f"preserve_data was {str(keep).lower()}, and data_preserved is {str(answer.data_preserved).lower()}"
        market.find_fault(text, tenant.tenant_id)
    if keep:
        await _expect(market, tenant, TenantState.DEACTIVATED)
