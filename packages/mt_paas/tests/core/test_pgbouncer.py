"""Tenants' sessions through a real PgBouncer in transaction mode, which has one connection to each database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.errors import ConfigurationError
from mt_paas.utils.pool_settings import PoolSettings
from sqlalchemy import text

from packages.mt_paas.tests.core.pgbouncer import pgbouncer

TOOLS = Path(__file__).parents[4] / ".tools"
KINDS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES")
IDS = ("one_univ", "two_univ", "three_univ")


@pytest.fixture
def registry_url(empty_registry_url) -> str:
    return empty_registry_url


@pytest.fixture
def pooler(postgres_server, tmp_path) -> Iterator[str]:
    with pgbouncer(postgres_server.url(), tmp_path, TOOLS) as address:
        yield address


@pytest.fixture(params=KINDS)
async def manager(request, new_manager, pooler):
    plan = IsolationPlan(default=request.param, supported=(request.param,))
    async with new_manager(isolation=plan, pools=PoolSettings(pooler=pooler)) as manager:
        yield manager


async def test_a_driver_without_pipelines_is_refused(new_manager, registry_url):
    url = registry_url.replace("postgresql:", "postgresql+asyncpg:")
    with pytest.raises(ConfigurationError, match="psycopg"):
        await new_manager(database_url=url, pools=PoolSettings(pooler="127.0.0.1:6432")).start()


class TestThroughAPooler:
    async def test_each_tenant_finds_its_own_rows_on_the_connection_that_all_share(self, tenants):
        await tenants.activate(*IDS)
        turns = [tenants.write(tenant_id, tenant_id) for _ in range(20) for tenant_id in IDS]
        await asyncio.gather(*turns)
        for tenant_id in IDS:
            assert await tenants.read(tenant_id) == [tenant_id] * 20

    async def test_it_really_is_in_between(self, tenants, manager, pooler):
        await tenants.activate("one_univ")
        async with manager.get_tenant_session("one_univ") as session:
            raw = (await session.connection()).sync_connection.connection.driver_connection
            assert f"{raw.info.host}:{raw.info.port}" == pooler

    async def test_nothing_is_left_by_one_that_failed_or_was_cut_off(self, tenants, manager):
        await tenants.activate("one_univ", "two_univ")

        async def cut_off(begun: asyncio.Event) -> None:
            async with manager.get_tenant_session("one_univ") as session:
                await session.execute(text("SET search_path = pg_catalog"))
                await session.execute(text("DECLARE held CURSOR WITH HOLD FOR SELECT 1"))
                begun.set()
                await session.execute(text("SELECT pg_sleep(60)"))

        begun = asyncio.Event()
        task = asyncio.create_task(cut_off(begun))
        await begun.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await tenants.write("two_univ", "kept")
        assert await tenants.read("two_univ") == ["kept"]
        assert await tenants.ask("two_univ", "SELECT count(*) FROM pg_cursors") == 0
        assert await tenants.read("one_univ") == []
