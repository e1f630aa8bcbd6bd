"""The fake service itself: an ASGI application that keeps the contract, and breaks it where a test tells it to."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import Health, HealthStatus
from mt_paas.standard_api.router import create_standard_router
from mt_paas.testing.behaviours import Behaviour, Call, RecordedCall, rightly
from mt_paas.testing.fake.exports import Exports
from mt_paas.testing.fake.figures import Figures
from mt_paas.testing.fake.lifecycle import Lifecycle
from mt_paas.testing.fake.manifest import fake_manifest
from mt_paas.testing.fake.people import People
from mt_paas.testing.fake.state import UNKNOWN_ADDRESS, called_at

__all__ = ["FakeService", "OperationName"]

OperationName: TypeAlias = Literal[
    "health",
    "activate",
    "deactivate",
    "status",
    "usage",
    "stats",
    "costs",
    "top_users",
    "users",
    "user",
    "resources",
    "settings",
    "operation",
    "plan",
    "suspend",
    "resume",
    "purge",
    "export",
    "credentials",
    "sso",
    "inventory",
    "auto_provision",
]

_MANIFEST_PATH = "/mt/manifest"
_TENANT_CALLS: dict[str, OperationName] = {
    "activate": "activate",
    "deactivate": "deactivate",
    "status": "status",
    "usage": "usage",
    "stats": "stats",
    "stats/costs": "costs",
    "stats/top-users": "top_users",
    "users": "users",
    "resources": "resources",
    "settings": "settings",
    "plan": "plan",
    "suspend": "suspend",
    "resume": "resume",
    "": "purge",
    "export": "export",
    "credentials/rotate": "credentials",
    "sso": "sso",
}
_OTHER_CALLS: dict[str, OperationName] = {
    "/mt/health": "health",
    "/mt/tenants": "inventory",
    "/api/tenant/webhook/auto-provision": "auto_provision",
}
_TENANT_PATH = re.compile(r"/mt/tenant/(?P<tenant_id>[^/]+)/?(?P<rest>.*)", re.DOTALL)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class FakeService(Lifecycle, People, Figures, Exports):
    """A right service in memory; an ASGI application. ``tenants`` may be read and changed by tests.

    It offers versions 1 and 2 and every extension, or, as ``version`` 1.0, the five calls of version 1; and the older
    addresses. It accepts ``second_key`` beside ``api_key``, as in the days in which one replaces the other.
    ``asynchronous`` makes it answer 202 to activations and deactivations; those operations, and exports, end with the
    ``steps``-th call that asks for them, or once ``until`` is set. ``public_url`` stands in its links; by default that
    is the address that it is called at.
    """

    def __init__(
        self,
        *,
        service_id: str = "fake_service",
        api_key: str | None = None,
        second_key: str | None = None,
        version: Literal["1.0", "2.0"] = "2.0",
        plans: tuple[str, ...] = ("basic", "standard", "premium"),
        asynchronous: bool = False,
        steps: int = 2,
        until: asyncio.Event | None = None,
        public_url: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(plans=plans, clock=clock, public_url=public_url)
        self.service_id = service_id
        self.api_key = api_key or secrets.token_urlsafe(32)
        self.version = version
        self.asynchronous = asynchronous
        self.steps, self.until = steps, until
        self.health_status = HealthStatus.HEALTHY
        self.calls: list[RecordedCall] = []
        self._came = asyncio.Condition()
        self._behaviours: dict[str | None, Behaviour] = {}
        manifest = self.manifest(UNKNOWN_ADDRESS)
        self._secret_headers = {*_SECRET_HEADERS, manifest.auth.header.lower()}
        self.right = FastAPI(lifespan=self._lifespan, openapi_url=None)
        self.right.router.routes += [*self.doors(), *self.downloads(), Route(_MANIFEST_PATH, self._show_manifest)]
        self.right.include_router(
            create_standard_router(
                self,
                manifest=manifest,
                api_keys=[key for key in (self.api_key, second_key) if key is not None],
                legacy_aliases=True,
                manifest_path=_MANIFEST_PATH,
                clock=clock,
            )
        )

    def manifest(self, base_url: str) -> Manifest:
        """Return the manifest by which the service at ``base_url`` is registered."""
        return fake_manifest(base_url, service_id=self.service_id, plans=self.plans, version=self.version)

    def behave(self, behaviour: Behaviour, *, on: OperationName | None = None) -> None:
        """Behave so from the next call on: in the operation ``on``, or in all that have no behaviour of their own."""
        self._behaviours[on] = behaviour

    def count(self, operation: OperationName, tenant_id: str | None = None) -> int:
        """Return how many calls of ``operation`` came, for ``tenant_id`` or for anyone."""
        return sum(call.operation == operation and tenant_id in {None, call.tenant_id} for call in self.calls)

    async def wait_for(self, operation: OperationName, times: int = 1) -> None:
        """Wait until ``operation`` was called so many times; the answers may still be under way."""
        async with self._came:
            await self._came.wait_for(lambda: self.count(operation) >= times)

    async def health(self) -> Health:
        """Report ``health_status``, which tests may set."""
        return Health(status=self.health_status, version=self.service_version, timestamp=self.clock())

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
        with called_at(_address_of(scope)):
            await behaviour(Call(self, recorded, scope, _replay(raw, receive), send))

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        yield
        await self.stop_posting()

    async def _show_manifest(self, request: Request) -> Response:
        document = self.manifest(self.public_url).model_dump_json(exclude_none=True, exclude_defaults=True)
        return Response(document, media_type="application/json")

    def _record(self, scope: Scope, raw: bytes) -> RecordedCall:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            body = raw
        operation, tenant_id = _what(scope["path"])
        if tenant_id in self.tenants:
            self.tenants[tenant_id].calls[self.clock().astimezone(UTC).date()] += 1
        recorded = RecordedCall(
            operation=operation,
            method=scope["method"],
            path=scope["path"],
            tenant_id=tenant_id,
            headers={name: value for name, value in headers.items() if name not in self._secret_headers},
            body=body,
        )
        self.calls.append(recorded)
        return recorded


def _what(path: str) -> tuple[str, str | None]:
    """Return which operation a path is for, empty for none, and for which tenant."""
    if match := _TENANT_PATH.fullmatch(path):
        rest = match["rest"]
        return _TENANT_CALLS.get(rest, "user" if rest.startswith("users/") else ""), match["tenant_id"]
    if path.startswith("/mt/operations/"):
        return "operation", None
    return _OTHER_CALLS.get(path, ""), None


def _address_of(scope: Scope) -> str:
    """Return where the service was called: the socket that took the call, and not what the caller's headers say."""
    server = scope.get("server")
    if not server:
        return UNKNOWN_ADDRESS
    host, port = server
    return f"{scope['scheme']}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else "")


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
