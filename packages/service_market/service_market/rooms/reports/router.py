"""HTTP of reports: the door at which services report, and the list of what they said.

The door is not for tokens of the market's API: who may knock is told by a tenant's call-back, its token and its secret.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from mt_paas.standard_api.models import Event

from service_market.core.deps import Uow
from service_market.core.envelope import Page
from service_market.core.errors import BodyTooLarge, InvalidBody, Unauthenticated
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.core.uow import Kernel
from service_market.rooms.identity.errors import TokenUnknown
from service_market.rooms.reports import service
from service_market.rooms.reports.errors import SignatureWrong, TenantForbidden
from service_market.rooms.reports.schemas import ReportedEventOut
from service_market.rooms.tenants.errors import TenantNotFound

__all__ = ["callbacks", "router"]

router = APIRouter(route_class=MarketRoute, prefix="/tenants/{tenant_id}/events", tags=["reports"])
callbacks = APIRouter(prefix="/callbacks/{tenant_id}", tags=["reports"])

_LARGEST = 64 * 1024  # bytes
_HEADERS = {
    "webhook-id": "The event's id: the same whenever the same event comes again.",
    "webhook-timestamp": "When it was sent, in seconds since 1970; at most five minutes from now.",
    "webhook-signature": "`v1,` and the HMAC-SHA256 of `id.timestamp.body` under the call-back's secret, in base64.",
}
_DESCRIBED: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in _HEADERS.items()
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": Event.model_json_schema()}}},
}


@callbacks.post(
    "/events",
    operation_id="reportEvent",
    summary="Report an event about a tenant, as its service does",
    status_code=204,
    responses=answers(TokenUnknown, SignatureWrong, TenantForbidden, BodyTooLarge, InvalidBody),
    openapi_extra=_DESCRIBED,
)
async def report_event(tenant_id: str, request: Request) -> Response:
    """Take an event that is signed as Standard Webhooks has it; one that comes again is answered alike and counts once.

    The address, the token and the secret are those of the `callback` that the tenant's activation gave. At most 64 KiB.
    """
    kernel: Kernel = request.app.state.kernel
    token = _token(request)
    async with kernel.unit() as uow:
        await service.reporter(uow, token, tenant_id)  # who may not report is not read
    body = await _body(request)  # between two units: a sender that drips holds no connection of the database
    async with kernel.unit() as uow:
        await service.take(uow, token, tenant_id, request.headers, body)
    return Response(status_code=204)


@router.get(
    "",
    operation_id="listTenantEvents",
    summary="List what the service told of a tenant by itself",
    responses=answers(TenantNotFound),
    dependencies=[require("tenants:read")],
)
async def list_events(tenant_id: str, uow: Uow, paging: Paging) -> Page[ReportedEventOut]:
    """List the events that the service sent, newest first. The newest 1000 are kept, for 90 days."""
    return as_page(await service.reported(uow, tenant_id, paging), ReportedEventOut.model_validate)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The token of the tenant's call-back is needed: send `Authorization: Bearer mtc_…`.")
    return token.strip()


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise BodyTooLarge(f"an event has at most {_LARGEST} bytes")
    return bytes(body)
