"""Services for tests: a right one in memory, and every way in which a service can be wrong.

A :class:`FakeService` is an ASGI application that keeps the contract. Told to :meth:`~FakeService.behave` it breaks
it, in one call or in all, until it is told otherwise; and it remembers the calls that it got::

    service = FakeService()
    async with serve(service) as base_url:
        service.behave(refuse(TenantAlreadyExists), on="activate")
        ...                                  # drive it by service.manifest(base_url) and service.api_key
        service.behave(rightly, on="activate")
        assert service.count("activate") == 2

A behaviour is a coroutine function over a :class:`Call`; tests may write their own.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from mt_paas.errors import MissingExtraError, TenantAlreadyExists, TenantNotFound, TenantPurged
from mt_paas.standard_api.handler import StandardAPIHandler, call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    AdminCredentials,
    DeactivateRequest,
    DeactivateResponse,
    StatusResponse,
    StorageFigures,
    TenantState,
    Usage,
    UsageResponse,
    UserFigures,
)
from mt_paas.standard_api.router import create_standard_router
from mt_paas.testing.behaviours import (
    Behaviour,
    Call,
    RecordedCall,
    answer_with,
    dripping,
    dropped,
    fail,
    flaky,
    garbage,
    lying,
    refuse,
    rightly,
    silent,
    slow,
)
from mt_paas.testing.serving import serve

try:
    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.testing.doubles", "fastapi") from error

__all__ = [
    "Behaviour",
    "Call",
    "FakeService",
    "FakeTenant",
    "RecordedCall",
    "answer_with",
    "dripping",
    "dropped",
    "fail",
    "flaky",
    "garbage",
    "lying",
    "refuse",
    "rightly",
    "serve",
    "silent",
    "slow",
]

Operation: TypeAlias = Literal["health", "activate", "deactivate", "status", "usage"]

_REACTIVATION = timedelta(days=90)
_CALL = re.compile(r"/mt/(?:tenant/(?P<tenant_id>[^/]+)/)?(?P<operation>health|activate|deactivate|status|usage)")
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass
class FakeTenant:
    """A tenant of a :class:`FakeService`. ``data`` is what its users would have written."""

    request: ActivateRequest
    answer: ActivateResponse
    idempotency_key: str | None
    created_at: datetime
    state: TenantState = TenantState.ACTIVE
    deactivate_at: datetime | None = None
    preserve_data: bool = True
    deadline: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)


class FakeService(StandardAPIHandler):
    """A right service, version 1, in memory; an ASGI application. ``tenants`` may be read and changed by tests."""

    def __init__(
        self,
        *,
        service_id: str = "fake_service",
        api_key: str | None = None,
        plans: tuple[str, ...] = ("basic", "standard", "premium"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.service_id = service_id
        self.api_key = api_key or secrets.token_urlsafe(32)
        self.plans = plans
        self.clock = clock
        self.tenants: dict[str, FakeTenant] = {}
        self.purged: set[str] = set()
        self.calls: list[RecordedCall] = []
        self._came = asyncio.Condition()
        self._behaviours: dict[str | None, Behaviour] = {}
        self.right = FastAPI()
        router = create_standard_router(
            self, manifest=self.manifest("http://fake.invalid"), api_key=self.api_key, clock=clock
        )
        self.right.include_router(router)

    def manifest(self, base_url: str) -> Manifest:
        """Return the manifest by which the service at ``base_url`` is registered."""
        return Manifest.model_validate(
            {
                "version": "1.0",
                "service": {
                    "id": self.service_id,
                    "name": "A fake service",
                    "description": "In memory, for tests.",
                    "version": "1.0.0",
                    "vendor": "mt_paas",
                },
                "endpoints": {
                    "base_url": base_url,
                    "health": "/mt/health",
                    "tenant_activate": "/mt/tenant/{tenant_id}/activate",
                    "tenant_deactivate": "/mt/tenant/{tenant_id}/deactivate",
                    "tenant_status": "/mt/tenant/{tenant_id}/status",
                    "usage_report": "/mt/tenant/{tenant_id}/usage",
                    "user_access": "/app/{tenant_id}",
                },
                "auth": {"type": "api_key", "header": "X-Market-API-Key"},
                "isolation": {"supported": ["DATABASE_PER_TENANT"], "default": "DATABASE_PER_TENANT"},
                "features": {plan: ["notes"] for plan in self.plans},
            }
        )

    def behave(self, behaviour: Behaviour, *, on: Operation | None = None) -> None:
        """Behave so from the next call on: in the operation ``on``, or in all that have no behaviour of their own."""
        self._behaviours[on] = behaviour

    def count(self, operation: Operation, tenant_id: str | None = None) -> int:
        """Return how many calls of ``operation`` came, for ``tenant_id`` or for anyone."""
        return sum(call.operation == operation and tenant_id in {None, call.tenant_id} for call in self.calls)

    async def wait_for(self, operation: Operation, times: int = 1) -> None:
        """Wait until ``operation`` was called so many times; the answers may still be under way."""
        async with self._came:
            await self._came.wait_for(lambda: self.count(operation) >= times)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the service was told to behave; record it first."""
        if scope["type"] != "http":
            await self.right(scope, receive, send)
            return
        raw = await _read(receive)
        recorded = self._record(scope, raw)
        async with self._came:
            self._came.notify_all()
        behaviour = self._behaviours.get(recorded.operation) or self._behaviours.get(None) or rightly
        await behaviour(Call(self, recorded, scope, _replay(raw, receive), send))

    def _record(self, scope: Scope, raw: bytes) -> RecordedCall:
        secret = {*_SECRET_HEADERS, self.manifest("http://fake.invalid").auth.header.lower()}
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        match = _CALL.fullmatch(scope["path"])
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        recorded = RecordedCall(
            operation=match["operation"] if match else "",
            method=scope["method"],
            path=scope["path"],
            tenant_id=match["tenant_id"] if match else None,
            headers={name: value for name, value in headers.items() if name not in secret},
            body=body,
        )
        self.calls.append(recorded)
        return recorded

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse:
        """Create or bring back a tenant; see ``StandardAPIHandler.activate_tenant``."""
        key = call_context().idempotency_key
        tenant = self._tenant(request.tenant_id)
        if request.tenant_id in self.purged:
            raise TenantPurged
        if tenant is None:
            tenant = FakeTenant(request, self._welcome(request.tenant_id), key, self.clock())
            self.tenants[request.tenant_id] = tenant
        elif tenant.state is TenantState.DEACTIVATED:
            tenant.request, tenant.idempotency_key = request, key
            tenant.state, tenant.deadline = TenantState.ACTIVE, None
        elif tenant.request != request and (key is None or tenant.idempotency_key != key):
            raise TenantAlreadyExists
        return tenant.answer

    async def deactivate_tenant(self, tenant_id: str, request: DeactivateRequest) -> DeactivateResponse:
        """Close a tenant now or later; see ``StandardAPIHandler.deactivate_tenant``."""
        tenant = self._existing(tenant_id)
        now = self.clock()
        at = max(request.deactivate_at or now, now)
        if tenant.state is not TenantState.DEACTIVATED:
            tenant.deactivate_at, tenant.deadline = at, at + _REACTIVATION
        tenant.preserve_data = request.preserve_data
        scheduled = at > now and tenant.state is not TenantState.DEACTIVATED
        self._tenant(tenant_id)  # what is due is done now
        return DeactivateResponse(
            status="scheduled" if scheduled else "deactivated",
            tenant_id=tenant_id,
            data_preserved=request.preserve_data,
            reactivation_deadline=tenant.deadline if request.preserve_data else None,
        )

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report a tenant's state."""
        tenant = self._existing(tenant_id)
        return StatusResponse(
            tenant_id=tenant_id,
            status=tenant.state,
            plan=tenant.request.plan,
            created_at=tenant.created_at,
            users=UserFigures(total=1, active_today=0),
            storage=StorageFigures(used_gb=0.0, limit_gb=tenant.request.config.storage_limit_gb),
        )

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report the calls that were made for a tenant."""
        self._existing(tenant_id)
        calls = sum(call.tenant_id == tenant_id for call in self.calls)
        return UsageResponse(tenant_id=tenant_id, period=period, usage=Usage(api_calls=calls))

    def _existing(self, tenant_id: str) -> FakeTenant:
        tenant = self._tenant(tenant_id)
        if tenant is None:
            raise TenantNotFound
        return tenant

    def _tenant(self, tenant_id: str) -> FakeTenant | None:
        """Return the tenant as it is at this moment: a schedule that has come is carried out, a deadline too."""
        tenant, now = self.tenants.get(tenant_id), self.clock()
        if tenant is None:
            return None
        if tenant.deactivate_at is not None and tenant.deactivate_at <= now:
            tenant.state, tenant.deactivate_at = TenantState.DEACTIVATED, None
        if tenant.state is TenantState.DEACTIVATED and (
            not tenant.preserve_data or (tenant.deadline is not None and tenant.deadline <= now)
        ):
            del self.tenants[tenant_id]
            self.purged.add(tenant_id)
            return None
        return tenant

    def _welcome(self, tenant_id: str) -> ActivateResponse:
        expires_at = self.clock() + timedelta(days=7)
        return ActivateResponse(
            tenant_id=tenant_id,
            access_url=f"https://fake.invalid/app/{tenant_id}",
            admin_credentials=AdminCredentials(
                setup_url=f"https://fake.invalid/setup/{secrets.token_urlsafe(16)}", expires_at=expires_at
            ),
        )


async def _read(receive: Receive) -> bytes:
    raw = bytearray()
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(raw)


def _replay(raw: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body once more, and then what really comes."""
    pending: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
