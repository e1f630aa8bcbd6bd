"""Calls that do not come in the order in which they were meant: one overtakes another, one comes late.

Networks and retrying clients do both. The contract asks that nothing breaks: a call works, or it is refused in the
contract's words. Which of two that cross each other counts, is the service's choice; the market asks, and mends.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from mt_paas.errors import ServiceCallError
from mt_paas.simulator.journal import Level
from mt_paas.simulator.line import Trip
from mt_paas.simulator.looking import look
from mt_paas.simulator.market import Market, Send
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.standard_api.client import StandardAPIClient
from mt_paas.standard_api.models import (
    ActivateResponse,
    DeactivateReason,
    DeactivateRequest,
    DeactivateResponse,
    TenantState,
)

__all__ = ["overtaken", "send_activation_late"]

_CLOSE = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)


async def overtaken(market: Market, tenant: SimulatedTenant, send: Send[ActivateResponse]) -> ActivateResponse:
    """Activate, and send a deactivation before that is answered; at the end the tenant is active all the same."""
    tenant_id = tenant.tenant_id
    text = f"a deactivation of {tenant_id} is sent before its activation is answered (knob: disorder)"
    market.journal.note(Level.INFO, text, tenant_id=tenant_id)
    trip = Trip("activate", tenant_id)
    activating = asyncio.create_task(market.drive("activate", send, tenant_id, trip=trip))
    sent = asyncio.create_task(trip.sent.wait())
    try:
        await asyncio.wait({activating, sent}, return_when=asyncio.FIRST_COMPLETED)
        await _close(market, tenant_id)
        answered = await activating
    finally:
        for task in (activating, sent):
            task.cancel()
    if (await look(market, tenant)).status is TenantState.DEACTIVATED:
        text = f"the deactivation counted; {tenant_id} is activated again, as a market that wants it active does"
        market.journal.note(Level.INFO, text, tenant_id=tenant_id)
        request, key = tenant.request, str(uuid4())
        answered = await market.drive(
            "activate", lambda client: client.activate(request, idempotency_key=key), tenant_id
        )
    return answered.answer


async def send_activation_late(market: Market, tenant: SimulatedTenant) -> None:
    """Send the activation of a tenant once more, after it was deactivated: a retry that was long under way."""
    tenant_id, request, key = tenant.tenant_id, tenant.request, tenant.key
    if not key:
        return
    text = f"the activation of {tenant_id} comes once more, late, with its old Idempotency-Key (knob: disorder)"
    market.journal.note(Level.INFO, text, tenant_id=tenant_id)
    try:
        await market.ask(
            "activate", lambda client: client.activate(request, idempotency_key=key), tenant_id, is_calm=True
        )
    except ServiceCallError:
        return  # refused is right, and anything worse is in the journal as such
    if (await look(market, tenant)).status is TenantState.ACTIVE:
        text = f"the late call opened {tenant_id} again, which the market had closed; it is closed once more"
        market.journal.note(Level.WARNING, text, tenant_id=tenant_id)
        await _close(market, tenant_id)
        await look(market, tenant)


async def _close(market: Market, tenant_id: str) -> None:
    key = str(uuid4())

    async def send(client: StandardAPIClient) -> DeactivateResponse:
        return await client.deactivate(tenant_id, _CLOSE, idempotency_key=key)

    try:
        await market.ask("deactivate", send, tenant_id, is_calm=True)
    except ServiceCallError:
        return  # as above
