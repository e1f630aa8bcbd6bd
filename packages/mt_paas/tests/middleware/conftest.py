"""An app behind the middleware, over real HTTP, with tenants and keys in memory; an issuer; and a Redis."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from mt_paas.core.access_keys import AccessKey
from mt_paas.core.context import current_tenant_id
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.schemas import Profile, Tenant
from mt_paas.errors import InvalidApiKey, TenantNotFound
from mt_paas.middleware import AuthMiddleware, Principal, PrincipalKind, RateLimitMiddleware, TenantMiddleware
from mt_paas.middleware.counters import Counters
from mt_paas.middleware.key_sets import RemoteKeys
from mt_paas.middleware.naming import Naming, TrustedProxies
from mt_paas.middleware.quotas import Quota
from mt_paas.middleware.tokens import TokenVerifier
from mt_paas.middleware.traffic import OpenPaths
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.testing.serving import serve
from mt_paas.utils.security import digest_token
from mt_paas.utils.traffic_settings import LimitHeaders

ISSUER = "https://login.example"
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


class MovableClock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


class Directory:
    """Tenants, access keys and sessions, in memory."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.keys: dict[str, AccessKey] = {}
        self.sessions: dict[str, Principal] = {}
        for tenant_id in ("hallym_univ", "other_univ"):
            self.add(tenant_id)

    def add(self, tenant_id: str, status: TenantStatus = TenantStatus.ACTIVE, plan: str = "basic") -> None:
        self.tenants[tenant_id] = Tenant(
            tenant_id=tenant_id,
            profile=Profile(name=tenant_id, service_type="notes", plan=plan),
            status=status,
            isolation="DATABASE_PER_TENANT",
            database=f"tnnt_{tenant_id}",
            created_at=NOW,
            activation=1,
            activated_at=NOW,
            deactivate_at=None,
            deactivated_at=None,
            data_preserved=True,
            reactivation_deadline=None,
            failure_reason=None,
            idempotency_key=None,
            fingerprint=None,
        )

    def key(self, tenant_id: str, scopes: set[str] | None = None, expires_at: datetime | None = None) -> str:
        """Make an access key and return what its holder sends."""
        secret = f"mtk_of_{tenant_id}_{len(self.keys)}"
        digest = digest_token(secret)
        self.keys[digest] = AccessKey(
            key_id=len(self.keys) + 1,
            tenant_id=tenant_id,
            name="robot",
            scopes=None if scopes is None else frozenset(scopes),
            created_at=NOW,
            expires_at=expires_at,
            digest=digest,
        )
        return secret

    def bearer(self, tenant_id: str = "hallym_univ", **options: Any) -> dict[str, str]:
        """Return the headers of somebody with a new access key."""
        return {"Authorization": f"Bearer {self.key(tenant_id, **options)}"}

    def log_in(self, tenant_id: str) -> str:
        """Begin a session and return its cookie."""
        cookie = f"{tenant_id}.secret"
        self.sessions[cookie] = Principal(PrincipalKind.SESSION, "user-1", tenant_id)
        return cookie

    async def find_key(self, digest: str) -> AccessKey | None:
        return self.keys.get(digest)

    async def find_session(self, cookie: str) -> Principal:
        if cookie not in self.sessions:
            raise InvalidApiKey("The session has ended: log in again.")
        return self.sessions[cookie]

    async def get_tenant(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.tenants:
            raise TenantNotFound
        return self.tenants[tenant_id]


@pytest.fixture
def directory() -> Directory:
    return Directory()


class Seen:
    """What the app saw of its requests, and what was left when each was over."""

    def __init__(self) -> None:
        self.after: list[tuple[str | None, Any]] = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()

    def watch(self, app: Any) -> Any:
        """Put a watcher around everything else."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                if scope["type"] != "lifespan":
                    self.after.append((current_tenant_id(), scope.get("state", {}).get("tenant")))
                    self.ended.set()

        return watched


@pytest.fixture
def seen() -> Seen:
    return Seen()


def routes(seen: Seen) -> FastAPI:
    """Return an app that tells what it is told."""
    app = FastAPI(docs_url=None)

    def told(request: Any) -> dict[str, Any]:
        tenant, principal = request.state.tenant, request.state.principal
        return {
            "tenant": tenant and tenant.tenant_id,
            "context": current_tenant_id(),
            "principal": principal and principal.subject,
            "scopes": principal and principal.scopes is not None and sorted(principal.scopes),
        }

    @app.get("/tell")
    @app.post("/tell")
    @app.get("/mt/tell")
    @app.get("/health")
    async def tell(request: Request) -> dict[str, Any]:
        return told(request)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @app.get("/stream")
    async def stream(endless: bool = False) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield f"{current_tenant_id()}\n"
            seen.started.set()
            while endless:
                await asyncio.Event().wait()
            yield f"{current_tenant_id()}\n"

        return StreamingResponse(pieces())

    @app.get("/hang")
    async def hang() -> None:
        seen.started.set()
        await asyncio.Event().wait()

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(told(socket))
        await socket.receive_text()
        await socket.close()

    return app


Start = Callable[..., Any]


@pytest.fixture
async def start(directory: Directory, seen: Seen, clock: MovableClock) -> AsyncIterator[Start]:
    """Serve an app behind the middleware, and return a client of it."""
    async with AsyncExitStack() as running:

        async def run(
            *,
            naming: Naming | None = None,
            proxies: tuple[str, ...] = (),
            tokens: TokenVerifier | None = None,
            counters: Counters | None = None,
            quotas: dict[str, Quota] | None = None,
            other: Quota | None = None,
            limit_headers: LimitHeaders = "standard",
            public_url: str | None = None,
            websockets: str = "none",
        ) -> httpx2.AsyncClient:
            app: Any = routes(seen)
            open_paths = OpenPaths(["/mt/", "/health"])
            if counters is not None:
                app = RateLimitMiddleware(
                    app, counters=counters, quotas=quotas or {}, other=other, headers=limit_headers
                )
            app = TenantMiddleware(
                app,
                get_tenant=directory.get_tenant,
                clock=clock,
                naming=naming,
                proxies=TrustedProxies(proxies),
                open_paths=open_paths,
            )
            app = AuthMiddleware(
                app,
                find_key=directory.find_key,
                clock=clock,
                tokens=tokens,
                sessions=directory.find_session,
                public_url=public_url,
                open_paths=open_paths,
            )
            url = await running.enter_async_context(serve(seen.watch(app), websockets=websockets))
            return await running.enter_async_context(httpx2.AsyncClient(base_url=url))

        yield run


class Issuer:
    """Somebody who signs tokens, and shows keys; how often it was asked is counted."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1"})
        self.ed = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
        self.shown: list[dict[str, Any]] = [key.as_dict(private=False) for key in (self.rsa, self.ec, self.ed)]
        self.asked = 0
        self.answer: bytes | None = None
        self.status = 200
        self.url = ""
        self.waiting: asyncio.Event | None = None
        self.arrived = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked += 1
        self.arrived.set()
        if self.waiting is not None:
            await self.waiting.wait()
        body = self.answer if self.answer is not None else json.dumps({"keys": self.shown}).encode()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def token(self, key: Key | None = None, algorithm: str = "RS256", header: Any = None, **claims: Any) -> str:
        """Sign a token that is good, but for what is given. A claim that is null is left out."""
        key = key or self.rsa
        moment = int(NOW.timestamp())
        good = {"iss": ISSUER, "aud": "notes", "sub": "kim", "exp": moment + 300, "tenant_id": "hallym_univ"}
        said = {name: value for name, value in (good | claims).items() if value is not None}
        head = {"alg": algorithm, "kid": key.kid} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, said, key, algorithms=[algorithm])


@pytest.fixture(scope="session")
def keys() -> Issuer:
    """The keys of an issuer, made once: they take a while."""
    return Issuer()


@pytest.fixture
async def issuer(keys: Issuer) -> AsyncIterator[Issuer]:
    fresh = object.__new__(Issuer)
    fresh.__dict__ = dict(vars(keys))
    fresh.shown = list(keys.shown)
    fresh.arrived = asyncio.Event()
    async with serve(fresh) as url:
        fresh.url = url
        yield fresh


class Seconds:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def make_tokens(
    issuer: Issuer, clock: MovableClock, seconds: Seconds
) -> AsyncIterator[Callable[..., TokenVerifier]]:
    made: list[TokenVerifier] = []

    def make(**options: Any) -> TokenVerifier:
        given: dict[str, Any] = {
            "issuer": ISSUER,
            "audiences": ["notes"],
            "algorithms": ["RS256", "ES256", "EdDSA"],
            "clock": clock,
            "keys": RemoteKeys(f"{issuer.url}/jwks", AddressPolicy(allow=["127.0.0.0/8"]), clock=seconds),
        }
        made.append(TokenVerifier(**(given | options)))
        return made[-1]

    yield make
    for tokens in made:
        await tokens.close()


@pytest.fixture
def tokens(make_tokens: Callable[..., TokenVerifier]) -> TokenVerifier:
    return make_tokens()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis of our own; without its program, that of REDIS_URL. Without either, the tests fail."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
        redis.Redis.from_url(url).ping()
        yield url
        return
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("redis")
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
        "--daemonize",
        "no",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "Ready to accept connections" in line:
                break
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()
        server.stdout.read()
