"""Both services, one after the other, each with a market that drives it."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import pytest_asyncio
from mt_paas.testing.doubles import serve
from mt_paas.testing.tenants import drop_registry
from plain_service.app import create_app

from tests.e2e.contract_v1.speaking import KEY, PUBLIC_URL, SECOND_KEY, Clock, Market

_numbers = itertools.count(1)


@asynccontextmanager
async def on_mt_paas(clock, tmp_path, server, monkeypatch) -> AsyncIterator[object]:
    name = f"test_contract_{os.getpid()}_{secrets.token_hex(3)}"
    server.create_database(name)
    monkeypatch.setenv("MT_DATABASE_URL", server.url(name))
    monkeypatch.setenv("MT_API_KEYS", f"{KEY},{SECOND_KEY}")
    monkeypatch.setenv("MT_PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("MT_TENANT_PREFIX", f"t{secrets.token_hex(3)}_")
    monkeypatch.delitem(sys.modules, "sample_service.app", raising=False)
    from sample_service.app import app

    app.state.mt_paas.manager.clock = clock
    yield app
    drop_registry(server.url(name))
    server.drop_database(name)


@asynccontextmanager
async def on_the_contract_alone(clock, tmp_path, server, monkeypatch) -> AsyncIterator[object]:
    yield create_app(tmp_path, [KEY, SECOND_KEY], PUBLIC_URL, clock)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param(on_mt_paas, id="sample_service"),
        pytest.param(on_the_contract_alone, id="plain_service"),
    ],
)
async def market(request, tmp_path_factory, postgres_server) -> AsyncIterator[Market]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with (
            request.param(clock, tmp_path_factory.mktemp("home"), postgres_server, monkeypatch) as app,
            serve(app) as url,
            httpx2.AsyncClient(base_url=url, headers={"X-Market-API-Key": KEY}) as client,
        ):
            yield Market(client, clock)


@pytest.fixture
def tenant_id() -> str:
    return f"univ_{next(_numbers)}"
