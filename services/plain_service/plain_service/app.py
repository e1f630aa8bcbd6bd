"""The HTTP side: the Standard API v1 for the market, a set-up link, and notes for the tenant's users.

Run it with ``uvicorn plain_service.app:app --port 8602`` and three environment variables: ``MT_API_KEYS`` (the
market's keys, separated by commas), ``MT_PUBLIC_URL`` (where this service is reached) and ``MT_HOME`` (a folder for the
data; ``.plain_service`` without it).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from plain_service.contract import (
    Refusal,
    read_activation,
    read_deactivation,
    read_idempotency_key,
    read_object,
    require_tenant_id,
    resolve_period,
)
from plain_service.store import LINK_LIFETIME, Store, Tenant

VERSION = "1.0.0"
_MAX_BODY = 1024 * 1024
_HIDDEN = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_SETUP_PAGE = """<!doctype html><html lang="ko"><meta charset="utf-8"><title>관리자 설정 · Administrator set-up</title>
<p>접속 키를 만듭니다. 키는 한 번만 표시됩니다.<p lang="en">This makes your access key. It is shown once.
<form method="post"><button>접속 키 만들기 · Make the access key</button></form></html>"""


class PlainService:
    """The endpoints of one service, over its :class:`Store`."""

    def __init__(self, store: Store, keys: Sequence[str], public_url: str, clock: Callable[[], datetime]) -> None:
        self._store, self._keys, self._url, self._clock = store, keys, public_url.rstrip("/"), clock

    async def health(self, request: Request) -> Response:
        """``GET /mt/health``, the one call without a key."""
        return JSONResponse({"status": "healthy", "version": VERSION, "timestamp": _time(self._clock())})

    async def activate(self, request: Request) -> Response:
        """``POST /mt/tenant/{tenant_id}/activate``."""
        tenant_id = self._market(request)
        key = read_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = read_activation(read_object(await _body(request)), tenant_id)
        tenant = await run_in_threadpool(self._store.activate, wanted, key)
        query = urlencode({"tenant_id": tenant_id, "token": self._store.setup_token(tenant)})
        credentials = {
            "setup_url": f"{self._url}/access/setup?{query}",
            "expires_at": _time(tenant.activated_at + LINK_LIFETIME),
        }
        answer = {"status": "activated", "tenant_id": tenant_id, "access_url": f"{self._url}/app/{tenant_id}"}
        return JSONResponse(answer | {"admin_credentials": credentials}, headers=_HIDDEN)

    async def deactivate(self, request: Request) -> Response:
        """``POST /mt/tenant/{tenant_id}/deactivate``."""
        tenant_id = self._market(request)
        read_idempotency_key(request.headers.get("Idempotency-Key"))  # it is idempotent without one
        wanted = read_deactivation(read_object(await _body(request)), tenant_id)
        tenant = await run_in_threadpool(self._store.deactivate, tenant_id, wanted)
        return JSONResponse(
            {
                "status": "scheduled" if tenant.status == "active" else "deactivated",
                "tenant_id": tenant_id,
                "data_preserved": bool(tenant.data_preserved),
                "reactivation_deadline": _time(tenant.deadline) if tenant.deadline else None,
            }
        )

    async def status(self, request: Request) -> Response:
        """``GET /mt/tenant/{tenant_id}/status``."""
        tenant, used_gb = await self._look(request)
        return JSONResponse(
            {
                "tenant_id": tenant.tenant_id,
                "status": tenant.status,
                "plan": tenant.plan,
                "created_at": _time(tenant.created_at),
                "users": {"total": 0, "active_today": 0},
                "storage": {"used_gb": used_gb, "limit_gb": tenant.storage_limit_gb},
            }
        )

    async def usage(self, request: Request) -> Response:
        """``GET /mt/tenant/{tenant_id}/usage?period=``."""
        tenant, used_gb = await self._look(request)
        period = resolve_period(request.query_params.get("period", "monthly"), self._clock())
        return JSONResponse({"tenant_id": tenant.tenant_id, "period": period, "usage": {"storage_gb": used_gb}})

    async def show_setup(self, request: Request) -> Response:
        """``GET /access/setup``: a page with a button; looking at it uses nothing up."""
        await run_in_threadpool(self._store.check_link, *_link(request))
        return HTMLResponse(_SETUP_PAGE, headers=_HIDDEN | {"Content-Security-Policy": "default-src 'none'"})

    async def redeem_setup(self, request: Request) -> Response:
        """``POST /access/setup``: the access key, once."""
        key = await run_in_threadpool(self._store.redeem, *_link(request))
        return JSONResponse({"tenant_id": _link(request)[0], "access_key": key}, headers=_HIDDEN)

    async def write_note(self, request: Request) -> Response:
        """``POST /app/notes``."""
        tenant = await self._user(request)
        text = read_object(await _body(request)).get("text")
        if not isinstance(text, str) or not 1 <= len(text) <= 10_000 or "\0" in text:
            raise Refusal("invalid_body", [{"path": "text", "message": "expected 1 to 10000 characters"}])
        await run_in_threadpool(self._store.write_note, tenant.tenant_id, text)
        return JSONResponse({"text": text}, status_code=201)

    async def list_notes(self, request: Request) -> Response:
        """``GET /app/notes``."""
        tenant = await self._user(request)
        return JSONResponse(
            [{"text": text} for text in await run_in_threadpool(self._store.list_notes, tenant.tenant_id)]
        )

    async def show_tenant(self, request: Request) -> Response:
        """``GET /app/{tenant_id}``: whose notes these are."""
        tenant = await self._user(request)
        return JSONResponse({"tenant_id": tenant.tenant_id, "name": tenant.name})

    def _market(self, request: Request) -> str:
        """Return the tenant in the path, for the market. Raises 401, 412 and 422, in this order."""
        given = request.headers.getlist("X-Market-API-Key")
        known = [hmac.compare_digest(given[0].encode(), key.encode()) for key in self._keys] if len(given) == 1 else []
        if not any(known):
            raise Refusal("invalid_api_key")
        if request.headers.get("X-MT-API-Version", "1") != "1":
            raise Refusal("unsupported_api_version", {"versions": ["1"]})
        return require_tenant_id(request.path_params["tenant_id"])

    async def _look(self, request: Request) -> tuple[Tenant, float]:
        tenant = await run_in_threadpool(self._store.find, self._market(request))
        if tenant.status == "purged":
            raise Refusal("tenant_not_found")
        return tenant, await run_in_threadpool(self._store.storage_bytes, tenant.tenant_id) / 10**9

    async def _user(self, request: Request) -> Tenant:
        """Return the tenant that the access key belongs to; naming another one is refused."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal("invalid_api_key")
        tenant = await run_in_threadpool(self._store.tenant_of_key, key)
        named = [*request.headers.getlist("X-Tenant-ID"), request.path_params.get("tenant_id", tenant.tenant_id)]
        if any(name != tenant.tenant_id for name in named):
            raise Refusal("tenant_forbidden")
        return tenant


def create_app(
    home: Path, keys: Sequence[str], public_url: str, clock: Callable[[], datetime] | None = None
) -> Starlette:
    """Return the service with its data in ``home``, for a market that has one of ``keys``."""
    if not keys:
        raise SystemExit("no key for the market is set: set MT_API_KEYS")
    now = clock or (lambda: datetime.now(UTC))
    store = Store(home, now)
    store.sweep()  # what is due is done at each start, and besides when a tenant is touched
    service = PlainService(store, keys, public_url, now)
    table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/mt/health", service.health),
        ("POST", "/mt/tenant/{tenant_id}/activate", service.activate),
        ("POST", "/mt/tenant/{tenant_id}/deactivate", service.deactivate),
        ("GET", "/mt/tenant/{tenant_id}/status", service.status),
        ("GET", "/mt/tenant/{tenant_id}/usage", service.usage),
        ("GET", "/access/setup", service.show_setup),
        ("POST", "/access/setup", service.redeem_setup),
        ("POST", "/app/notes", service.write_note),
        ("GET", "/app/notes", service.list_notes),
        ("GET", "/app/{tenant_id}", service.show_tenant),
    ]
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in table]
    return Starlette(routes=routes, exception_handlers={Refusal: _refuse, HTTPException: _refuse, Exception: _refuse})


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer in the one error shape, whatever went wrong."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, HTTPException):
        headers |= error.headers or {}  # the methods that are allowed
        words = {404: "not_found", 405: "method_not_allowed"}
        error = Refusal(words.get(error.status_code, "internal_error"))
    refusal = error if isinstance(error, Refusal) else Refusal("internal_error")
    request_id = request.headers.get("X-Request-ID") or uuid4().hex
    headers["X-Request-ID"] = request_id
    return JSONResponse(
        refusal.body(request_id), refusal.status, headers=headers, media_type="application/problem+json"
    )


async def _body(request: Request) -> bytes:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_BODY:
            raise Refusal("body_too_large")
    return raw


def _link(request: Request) -> tuple[str, str]:
    return request.query_params.get("tenant_id", ""), request.query_params.get("token", "")


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _from_environment() -> Starlette:
    keys = [key.strip() for key in os.environ.get("MT_API_KEYS", "").split(",") if key.strip()]
    home = Path(os.environ.get("MT_HOME", ".plain_service"))
    return create_app(home, keys, os.environ.get("MT_PUBLIC_URL", "http://127.0.0.1:8602"))


def __getattr__(name: str) -> Starlette:
    """Make ``app`` when a server asks for it, so that importing this module needs no environment."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)
