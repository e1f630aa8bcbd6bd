"""Ways around tables, each by itself: what is closed, and what is known to stay open in a database that is shared."""

from __future__ import annotations

import pytest
from attacks.world import METADATA, NOTES
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.errors import ConfigurationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

TOGETHER = ("SCHEMA_PER_TENANT", "SHARED_TABLES", "HYBRID")


async def send(world, number: int, *sent: str) -> list[object]:
    """Send the statements in one session of the tenant with this number; return the last one's rows."""
    rows: list[object] = []
    async with world.manager.get_tenant_session(world.victims[number].id) as session:
        for statement in sent:
            connection = await session.connection()
            result = await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            rows = list(result.all()) if result.returns_rows else []
    return rows


@pytest.fixture
async def one_connection(world):
    """Close all but what one session at a time opens: whoever comes next has the connection of the one before."""
    world.reset()
    await world.manager._parts.isolation.connections.close()


@pytest.mark.parametrize("world", TOGETHER, indirect=True)
@pytest.mark.usefixtures("one_connection")
class TestLeftOnAConnection:
    async def test_a_setting_does_not_come_back_with_a_rollback(self, world):
        await send(world, 0, "SELECT set_config('mt.tenant', current_setting('mt.tenant'), false)", "LISTEN here")
        async with world.manager.get_tenant_session(world.victims[1].id) as session:
            await session.execute(text("ROLLBACK"))
            assert (await session.scalar(text("SELECT current_setting('mt.tenant', true)"))) in {None, ""}
            assert (await session.scalars(text("SELECT pg_listening_channels()"))).all() == []
            with pytest.raises(DBAPIError):
                await session.execute(text(f"SELECT * FROM {world.victims[0].theirs}"))  # noqa: S608 - of this world

    async def test_a_prepared_statement_does_not_replace_anothers_query(self, world):
        marker = world.victims[0].marker
        await send(world, 0, *(f"PREPARE _pg3_{number} AS SELECT 1, '{marker}'" for number in range(3)))
        async with world.manager.get_tenant_session(world.victims[1].id) as session:
            for _ in range(8):  # the driver prepares what comes more than five times
                rows = (await session.execute(select(NOTES.c.id, NOTES.c.text).where(NOTES.c.id > 0))).all()
                assert [tuple(row) for row in rows] == world.victims[1].rows()
            assert (await session.scalars(text("SELECT name FROM pg_prepared_statements"))).all() == []

    async def test_the_last_value_of_a_sequence_is_not_told(self, world):
        await send(world, 0, f"INSERT INTO note (text) VALUES ('{world.victims[0].marker}')")  # noqa: S608 - of this world
        with pytest.raises(DBAPIError, match="lastval is not yet defined"):
            await send(world, 1, "SELECT lastval()")


@pytest.mark.parametrize("world", TOGETHER, indirect=True)
class TestTheSharedRole:
    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT query FROM pg_stat_activity",
            "SELECT pg_terminate_backend(pg_backend_pid())",
            "SELECT pg_cancel_backend(pg_backend_pid())",
            "DROP OWNED BY CURRENT_USER",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
            "ALTER ROLE CURRENT_USER SET mt.tenant = 'x'",
            "ALTER ROLE CURRENT_USER BYPASSRLS",
        ],
    )
    async def test_may_not(self, world, statement):
        with pytest.raises(DBAPIError, match=r"permission denied|must be superuser|rows and nothing else"):
            await send(world, 0, statement)

    async def test_its_password_is_set_again_at_the_next_start(self, world):
        await send(world, 0, "ALTER ROLE CURRENT_USER PASSWORD 'locked out'")
        manager = world.manager
        again = TenantManager(
            manager._database_url,
            service_id="notes",
            metadata=METADATA,
            tenant_prefix=manager._tenant_prefix,
            isolation=IsolationPlan(default="SHARED_TABLES", supported=("SHARED_TABLES", "SCHEMA_PER_TENANT")),
        )
        async with again, again.get_tenant_session(world.victims[1].id) as session:
            assert await session.scalar(text("SELECT count(*) FROM note")) is not None


@pytest.mark.parametrize("world", TOGETHER, indirect=True)
class TestWhatStaysOpen:
    """Said in docs/explanation/isolation.md: should one of these fail, something was closed, and the page is wrong."""

    async def test_notifications_are_heard_by_whoever_listens(self, world):
        first, second = (world.manager.get_tenant_session(victim.id) for victim in world.victims[:2])
        heard: list[str] = []
        async with first as session:
            connection = await session.connection()
            raw = (await connection.get_raw_connection()).driver_connection
            raw.add_notify_handler(lambda notice: heard.append(notice.payload))
            await connection.exec_driver_sql("COMMIT")
            await connection.exec_driver_sql("LISTEN everybody")
            async with second as other:
                await other.execute(text("NOTIFY everybody, 'of another'"))
            await connection.exec_driver_sql("SELECT 1")
        assert heard == ["of another"]

    async def test_ids_of_tenants_and_numbers_of_rows_are_told(self, world):
        rows = await send(world, 0, "SELECT nspname FROM pg_namespace")
        assert rows
        assert await send(world, 0, f"SELECT pg_relation_size('{world.victims[1].theirs}')")


@pytest.mark.parametrize("world", ["DOCKER_PER_TENANT"], indirect=True)
class TestContainers:
    async def test_a_database_that_became_anothers_is_not_emptied(self, world, monkeypatch):
        world.reset()
        mine, other = world.victims
        isolation = world.manager._parts.isolation.named("DOCKER_PER_TENANT")
        locate = isolation._locate
        monkeypatch.setattr(isolation, "_locate", lambda _: locate(other.tenant))
        before = other.rows()

        with pytest.raises(ConfigurationError, match=other.id):
            await isolation.drop(None, mine.tenant)

        assert other.rows() == before
