"""A FastAPI app that setup_multi_tenant made a service, served over HTTP on a fresh registry."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from mt_paas.setup import CurrentTenant, TenantSession, setup_multi_tenant
from mt_paas.standard_api.manifest import Manifest
from mt_paas.testing.doubles import FakeService
from mt_paas.testing.serving import serve
from mt_paas.testing.tenants import drop_registry
from mt_paas.utils.config import Settings
from pydantic import SecretStr
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text

KEY = "the-markets-key-0123456789"
METADATA = MetaData()
NOTES = Table(
    "note",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("reply_to", Integer, ForeignKey("note.id", deferrable=True, initially="DEFERRED")),
)


class Service:
    """An app that is being served: what a market and a user can do with it."""

    def __init__(self, app: FastAPI, client: httpx2.AsyncClient) -> None:
        self.app, self.client = app, client

    async def activate(self, tenant_id: str) -> dict[str, str]:
        """Activate the tenant and return the headers of its administrator."""
        body = {"tenant_id": tenant_id, "tenant_name": "A name", "plan": "basic"}
        body |= {"admin": {"email": "a@b.kr", "name": "A"}}
        answer = await self.client.post(
            f"/mt/tenant/{tenant_id}/activate", json=body, headers={"X-Market-API-Key": KEY}
        )
        link = answer.json()["admin_credentials"]["setup_url"]
        key = (await self.client.post(link.removeprefix("http://notes.example"))).json()["access_key"]
        return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def manifest() -> Manifest:
    return FakeService(service_id="notes").manifest("http://notes.example")


@pytest.fixture
def clock() -> Callable[[], datetime]:
    return lambda: datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def settings(fresh_database: str) -> Iterator[Settings]:
    yield Settings(
        database_url=SecretStr(fresh_database),
        api_keys=(SecretStr(KEY),),
        tenant_prefix=f"t{secrets.token_hex(3)}_",
    )
    drop_registry(fresh_database)


@pytest.fixture
def app(manifest, settings, clock) -> FastAPI:
    app = FastAPI()
    setup_multi_tenant(app, manifest=manifest, metadata=METADATA, settings=settings, clock=clock)

    @app.post("/notes", status_code=201)
    async def write(session: TenantSession, number: int, reply_to: int | None = None, fail: bool = False) -> str:
        await session.execute(NOTES.insert().values(id=number, text="a note", reply_to=reply_to))
        if fail:
            raise ZeroDivisionError
        return "written"

    @app.get("/notes")
    async def count(session: TenantSession) -> int:
        return len((await session.execute(NOTES.select())).all())

    @app.get("/of/{tenant_id}")
    async def show(tenant: CurrentTenant) -> str:
        return tenant.tenant_id

    return app


@pytest.fixture
def running() -> Callable[[FastAPI], AbstractAsyncContextManager[Service]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[Service]:
        async with serve(app) as url, httpx2.AsyncClient(base_url=url) as client:
            yield Service(app, client)

    return run


@pytest.fixture
async def service(app: FastAPI, running: Any) -> AsyncIterator[Service]:
    async with running(app) as service:
        yield service
