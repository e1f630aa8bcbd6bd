"""What one request of a tenant leaves on the connection to its own database does not meet its next requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from sqlalchemy import text

from packages.mt_paas.tests.core.pgbouncer import pgbouncer

TOOLS = Path(__file__).parents[4] / ".tools"
LEFT = (
    "PREPARE _pg3_0 AS SELECT 1",
    "SET default_transaction_read_only = on",
    "SET search_path = pg_catalog",
    "CREATE TEMP TABLE note (id int)",
    "DECLARE open CURSOR WITH HOLD FOR SELECT 1",
    "SELECT pg_advisory_lock(42)",
    "LISTEN something",
    "SET ROLE pg_monitor",
)


@pytest.fixture
def registry_url(empty_registry_url) -> str:
    return empty_registry_url


@pytest.fixture(params=["postgresql+psycopg", "postgresql+asyncpg", "pgbouncer"])
def way(request, containers, tmp_path, postgres_server):
    """How the database is reached; returns the address of the pooler, if there is one."""
    if request.param != "pgbouncer":
        containers.driver = request.param
        yield None
        return
    with pgbouncer(postgres_server.url(), tmp_path, TOOLS) as address:
        yield address


async def test_nothing(new_manager, containers, tenants_of, room_for, way):
    kind = "DATABASE_PER_TENANT" if way else "DOCKER_PER_TENANT"
    plan = IsolationPlan(default=kind, supported=(kind,), container_database=containers.locate)
    pools = room_for(1).model_copy(update={"pooler": way})
    async with new_manager(isolation=plan, pools=pools) as manager:
        tenants = tenants_of(manager)
        await tenants.activate("hallym_univ")
        for statement in LEFT:
            async with manager.get_tenant_session("hallym_univ") as session:
                if way is None or "ROLE" not in statement:  # there the tenant's role is a member of no other
                    await session.execute(text(statement))
            for _ in range(10):  # the driver prepares what it has sent so often
                await tenants.write("hallym_univ", statement)
            assert (await tenants.read("hallym_univ")).count(statement) == 10
            async with manager.get_tenant_session("hallym_univ") as session:
                assert await session.scalar(text("SELECT count(*) FROM pg_cursors WHERE name = 'open'")) == 0
                held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                assert await session.scalar(text(held)) == 0
                assert (await session.scalars(text("SELECT pg_listening_channels()"))).all() == []
        assert manager._parts.isolation.connections.open == 1
