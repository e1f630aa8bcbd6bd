"""The older addresses of a market, kept for those that still call them: each answers as the call that took its place.

Every answer says so: ``Deprecation`` (RFC 9745) since when, and ``Link`` the successor's address (RFC 5829). The
auto-provision webhook gives an e-mail address its tenant. One that it owns already is given out only when the market
vouches for the address: naming somebody's address, or their tenant, must not be a way into it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import quote
from weakref import WeakValueDictionary

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mt_paas.errors import EmailNotVerified, InvalidPlan, TenantAlreadyExists, TenantNotFound
from mt_paas.standard_api.answers import Elsewhere, answer_with
from mt_paas.standard_api.describe import DESCRIPTIONS, CallDescription
from mt_paas.standard_api.describe.legacy import LEGACY
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    Admin,
    AutoProvisionRequest,
    AutoProvisionResponse,
    OperationAccepted,
)
from mt_paas.standard_api.router.answering import answer, base_path_of
from mt_paas.standard_api.router.calls import Calls
from mt_paas.standard_api.router.routes import add_call, answer_for_methods

__all__ = ["add_legacy_aliases"]

_DEPRECATED_SINCE = "@1795219200"  # 2026-11-21, the day of version 2
_SUCCESSORS = {call.call: call.path for call in DESCRIPTIONS}
_NO_LABEL = re.compile(r"[^a-z0-9]+")


def add_legacy_aliases(router: APIRouter, prefix: str, calls: Calls) -> None:
    """Add the older addresses to ``router``, as aliases of the calls under ``prefix``."""
    aliases = _Aliases(prefix, calls)
    for call in LEGACY:
        endpoint = aliases.endpoint(call, getattr(aliases, call.call))
        add_call(router, call.path, call, endpoint, calls)
        router.routes.append(Route(call.path, Elsewhere(_refuse(call)), include_in_schema=False))


def _refuse(call: CallDescription) -> Callable[[Request], Response]:
    return lambda request: answer_for_methods(request, [call.method])


class _Aliases:
    """The older addresses of one router."""

    def __init__(self, prefix: str, calls: Calls) -> None:
        self._prefix = prefix
        self._calls = calls
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def endpoint(
        self, call: CallDescription, answer_call: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of an older address, which says in every answer that it is one."""
        admitted = self._calls.endpoint(call, answer_call)

        async def endpoint(request: Request) -> Response:
            answer_with(request, {"Deprecation": _DEPRECATED_SINCE})
            if "tenant_id" in request.path_params:
                self._link(request, call, request.path_params["tenant_id"])
            return await admitted(request)

        return endpoint

    async def legacy_stats(self, request: Request) -> Response:
        return await self._calls.get_tenant_stats(request)

    async def legacy_users(self, request: Request) -> Response:
        return await self._calls.list_users(request)

    async def legacy_courses(self, request: Request) -> Response:
        return await self._calls.list_resources(request, "course")

    async def legacy_discussions(self, request: Request) -> Response:
        return await self._calls.list_resources(request, "discussion")

    async def auto_provision(self, request: Request) -> Response:
        """Answer with the tenant of the address, or with a new one."""
        body = await self._calls.body(AutoProvisionRequest, request)
        # Two calls for one new address at once would each find no tenant, and make one.
        async with self._asking.setdefault(body.email.casefold(), asyncio.Lock()):
            return await self._provide(request, body)

    async def _provide(self, request: Request, body: AutoProvisionRequest) -> Response:
        key = call_context().idempotency_key
        tenant_id = body.tenant_id or _new_id(body.email, key)
        owned = await self._calls.handler.find_tenant_of(body.email)
        if owned is not None and body.email_verified:
            self._link(request, LEGACY[0], owned.tenant_id)
            return answer(AutoProvisionResponse, _with_reuse(owned, reused=True))
        # The id that an Idempotency-Key leads to: the same call again, whose answer got lost.
        is_same_call = owned is not None and key is not None and owned.tenant_id == _new_id(body.email, key)
        if owned is not None and not is_same_call:
            raise EmailNotVerified
        if owned is None:
            await self._refuse_taken(tenant_id)
        self._link(request, LEGACY[0], tenant_id)
        result = await self._calls.handler.activate_tenant(self._activation(tenant_id, body))
        return self._calls.answer_or_later(
            AutoProvisionResponse,
            result if isinstance(result, OperationAccepted) else _with_reuse(result, reused=False),
            tenant_id,
            base_path_of(request, LEGACY[0].path) + self._prefix,
        )

    async def _refuse_taken(self, tenant_id: str) -> None:
        """Raise ``TenantAlreadyExists`` for the id of a tenant that is there, in whatever state.

        A closed one would come back with its data, and with this address as its administrator.
        """
        try:
            await self._calls.handler.get_tenant_status(tenant_id)
        except TenantNotFound:
            return
        raise TenantAlreadyExists("The tenant is there already; one that is closed is brought back by activate.")

    def _activation(self, tenant_id: str, body: AutoProvisionRequest) -> ActivateRequest:
        offer = self._calls.offer
        plan = body.plan or next(iter(offer.plans), None)
        if plan is None:
            raise InvalidPlan("The body names no plan, and this service has no list of them: name one.")
        self._calls.refuse_unknown_plan(plan)
        mailbox, _, domain = body.email.partition("@")
        return ActivateRequest(
            tenant_id=tenant_id,
            tenant_name=body.tenant_name or body.name or domain,
            plan=plan,
            features=body.features or list(offer.features_of(plan)),
            config=body.config,
            admin=Admin(email=body.email, name=body.name or mailbox),
        )

    def _link(self, request: Request, call: CallDescription, tenant_id: str) -> None:
        path = _SUCCESSORS[call.successor].format(tenant_id=quote(tenant_id, safe=""))
        kind = _TYPES.get(call.call)
        address = f"{base_path_of(request, call.path)}{self._prefix}{path}{f'?type={kind}' if kind else ''}"
        answer_with(request, {"Link": f'<{address}>; rel="successor-version"'})


_TYPES = {"legacy_courses": "course", "legacy_discussions": "discussion"}


def _with_reuse(result: object, *, reused: bool) -> AutoProvisionResponse:
    if not isinstance(result, ActivateResponse):
        raise TypeError(f"the handler returned {type(result).__name__}, expected ActivateResponse")
    return AutoProvisionResponse(
        status=result.status,
        tenant_id=result.tenant_id,
        access_url=result.access_url,
        admin_credentials=result.admin_credentials,
        reused=reused,
    )


def _new_id(email: str, key: str | None) -> str:
    """Return a tenant id with the name of the address's domain; the person's own name is no part of host names.

    The rest is random, or follows from the ``Idempotency-Key``: the same call again means the same tenant.
    """
    domain = email.rpartition("@")[2].partition(".")[0].lower()
    label = _NO_LABEL.sub("-", domain)[:40].strip("-") or "tenant"
    seed = secrets.token_hex(16) if key is None else f"{key}\0{email}"
    return f"{label}-{hashlib.sha256(seed.encode()).hexdigest()[:10]}"
