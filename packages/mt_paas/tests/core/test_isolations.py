"""The same service, its tenants kept apart in every way there is: each promise holds with each of them."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import psycopg
import pytest
from mt_paas.core import exports
from mt_paas.core.database import shared, transactions
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ConfigurationError, TenantNotBound
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession

KINDS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES")
TOGETHER = KINDS[1:]
CONTAINER = "DOCKER_PER_TENANT"


@pytest.fixture(params=[*KINDS, CONTAINER])
def kind(request) -> str:
    return request.param


@pytest.fixture
def registry_url(empty_registry_url) -> str:
    """A registry of the test's own: a copy of a prepared one would share the shared database with its other copies."""
    return empty_registry_url


@pytest.fixture
def plan(kind, containers) -> IsolationPlan:
    return IsolationPlan(default=kind, supported=(kind,), container_database=containers.locate)


@pytest.fixture
async def manager(new_manager, plan):
    async with new_manager(isolation=plan) as manager:
        yield manager


class TestEachIsolation:
    async def test_keeps_what_each_tenant_writes_for_itself(self, tenants):
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("hallym_univ", "ours")
        await tenants.write("other_univ", "theirs")

        assert await tenants.read("hallym_univ") == ["ours"]
        assert await tenants.read("other_univ") == ["theirs"]

    async def test_takes_a_tenant_through_its_life(self, manager, tenants):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "kept")
        await manager.deactivate_tenant("hallym_univ")
        await manager.reactivate_tenant("hallym_univ")
        assert await tenants.read("hallym_univ") == ["kept"]
        await manager.deactivate_tenant("hallym_univ", preserve_data=False)
        assert (await manager.get_tenant("hallym_univ")).status is TenantStatus.PURGED

    async def test_purges_one_and_leaves_the_other(self, manager, tenants):
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("hallym_univ", "gone")
        await tenants.write("other_univ", "kept")
        gone = await manager.get_tenant("hallym_univ")

        await manager.deactivate_tenant("hallym_univ", preserve_data=False)

        assert await tenants.read("other_univ") == ["kept"]
        with pytest.raises(Exception):  # noqa: B017, PT011 - no place, or one without rows: each isolation says it its own way
            async with manager._parts.isolation.session(gone) as session:
                assert (await session.scalars(text("SELECT text FROM note"))).all()

    async def test_knows_what_the_data_take(self, manager, tenants):
        await tenants.activate("hallym_univ")
        before = await manager.storage_bytes(await manager.get_tenant("hallym_univ"))
        await tenants.write("hallym_univ", "x" * 100)
        assert await manager.storage_bytes(await manager.get_tenant("hallym_univ")) >= before

    async def test_a_session_ends_with_its_block(self, manager, tenants):
        await tenants.activate("hallym_univ")
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.execute(text("SELECT 1"))
        with pytest.raises(InvalidRequestError, match="closed"):
            await session.execute(text("SELECT 1"))

    async def test_a_commit_in_between_stays_with_the_tenant(self, manager, tenants):
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("other_univ", "theirs")
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.execute(text("INSERT INTO note (text) VALUES ('first')"))
            await session.commit()
            await session.execute(text("INSERT INTO note (text) VALUES ('second')"))
        assert await tenants.read("hallym_univ") == ["first", "second"]

    async def test_what_fails_is_rolled_back(self, manager, tenants):
        await tenants.activate("hallym_univ")
        with suppress(RuntimeError):
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(text("INSERT INTO note (text) VALUES ('lost')"))
                raise RuntimeError
        assert await tenants.read("hallym_univ") == []

    async def test_what_is_cancelled_gives_its_connection_back_clean(self, manager, tenants):
        await tenants.activate("hallym_univ")

        async def work(begun: asyncio.Event) -> None:
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(text("INSERT INTO note (text) VALUES ('lost')"))
                begun.set()
                await session.execute(text("SELECT pg_sleep(60)"))

        for _ in range(3):
            begun = asyncio.Event()
            task = asyncio.create_task(work(begun))
            await begun.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert await tenants.read("hallym_univ") == []
        assert all(pool.leases == 0 for pool in manager._parts.isolation.connections._pools.values())

    async def test_two_processes_make_it_at_once(self, new_manager, plan, tenants_of):
        async with new_manager(isolation=plan) as one, new_manager(isolation=plan) as other:
            await asyncio.gather(tenants_of(one).activate("one_univ"), tenants_of(other).activate("two_univ"))
            await tenants_of(one).write("two_univ", "seen")
            assert await tenants_of(other).read("two_univ") == ["seen"]


@pytest.mark.parametrize("kind", TOGETHER, indirect=True)
class TestSharedConnections:
    async def test_many_tenants_take_turns_on_one(self, new_manager, plan, tenants_of, room_for):
        async with new_manager(isolation=plan, pools=room_for(1)) as manager:
            tenants = tenants_of(manager)
            ids = [f"univ_{number}" for number in range(5)]
            await tenants.activate(*ids)
            await asyncio.gather(*(tenants.write(tenant_id, tenant_id) for tenant_id in ids * 3))
            for tenant_id in ids:
                assert await tenants.read(tenant_id) == [tenant_id] * 3
            assert manager._parts.isolation.connections.open == 1

    @pytest.mark.parametrize(
        "left",
        [
            "SET search_path = public",
            "SET mt.tenant = 'other_univ:x'",
            "SET default_transaction_read_only = on",
            "SET statement_timeout = 1",
            "DECLARE open CURSOR WITH HOLD FOR SELECT text FROM note",
            "SELECT pg_advisory_lock(42)",
            "LISTEN something",
            "PREPARE other AS SELECT text FROM note",
        ],
    )
    async def test_nothing_that_one_leaves_behind_meets_the_next(self, new_manager, plan, tenants_of, room_for, left):
        async with new_manager(isolation=plan, pools=room_for(1)) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "other_univ")
            await tenants.write("hallym_univ", "ours")
            await tenants.write("other_univ", "theirs")
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(text(left))
            assert await tenants.read("other_univ") == ["theirs"]
            await tenants.write("other_univ", "more")
            async with manager.get_tenant_session("other_univ") as session:
                assert await session.scalar(text("SELECT count(*) FROM pg_cursors")) == 0
                held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                assert await session.scalar(text(held)) == 0
                with suppress(DBAPIError):
                    assert (await session.scalars(text("EXECUTE other"))).all() == ["theirs", "more"]

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TEMP TABLE note (id int)",
            "SELECT * FROM mt_fence.secret",
            "SET ROLE postgres",
            "SET SESSION AUTHORIZATION postgres",
            "CREATE TABLE mine (id int)",
            "CREATE SCHEMA mine",
            "TRUNCATE note",
            "DROP TABLE note",
            "ALTER TABLE note DISABLE ROW LEVEL SECURITY",
            "SELECT mt_fence.enclose('public', NULL, current_user)",
        ],
    )
    async def test_a_session_may_use_rows_and_nothing_else(self, manager, tenants, statement):
        await tenants.activate("hallym_univ")
        with pytest.raises(DBAPIError):
            await tenants.ask("hallym_univ", statement)

    async def test_a_signature_for_one_opens_no_other(self, manager, tenants):
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("other_univ", "theirs")
        other = await manager.get_tenant("other_univ")
        async with manager.get_tenant_session("hallym_univ") as session:
            signed = await session.scalar(text("SELECT current_setting('mt.tenant')"))
            forged = "other_univ:" + signed.split(":")[1]
            path = "mt_shared" if other.isolation == "SHARED_TABLES" else other.database
            await session.execute(text(f"SELECT set_config('mt.tenant', '{forged}', true)"))
            await session.execute(text(f"SET LOCAL search_path = {path}"))
            with pytest.raises(DBAPIError, match="no tenant is bound"):
                await session.execute(text("SELECT text FROM note"))

    async def test_another_schema_shows_nothing(self, manager, tenants, plan):
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("other_univ", "theirs")
        other = await manager.get_tenant("other_univ")
        path = "mt_shared" if plan.default == "SHARED_TABLES" else other.database
        assert await tenants.ask("hallym_univ", f"SELECT count(*) FROM {path}.note") == 0  # noqa: S608 - of this test's own

    async def test_the_text_of_a_signature_is_in_no_statement(self, manager, tenants, server):
        await tenants.activate("hallym_univ")
        async with manager.get_tenant_session("hallym_univ") as session:
            signed = await session.scalar(text("SELECT current_setting('mt.tenant')"))
            seen = server.rows("SELECT query FROM pg_stat_activity")
        assert signed not in str(seen)


@pytest.fixture(params=["postgresql+psycopg", "postgresql+asyncpg"])
async def reused(request, manager, tenants, containers):
    """Two tenants with a note each; the database of the second has come to the address of the first."""
    containers.driver = request.param
    await tenants.activate("hallym_univ", "other_univ")
    await tenants.write("hallym_univ", "ours")
    await tenants.write("other_univ", "theirs")
    containers.replace("hallym_univ", containers.names["other_univ"])
    return containers


@pytest.mark.parametrize("kind", [CONTAINER], indirect=True)
class TestAddressesThatAreUsedAgain:
    async def test_are_refused_to_a_pool_that_broke(self, manager, tenants, reused, server):
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="tenant other_univ of"):
                await tenants.write("hallym_univ", "lost")
        assert _connections(server, reused.names["hallym_univ"]) == 0
        assert "container/hallym_univ" not in manager._parts.isolation.connections._pools
        notes = psycopg.connect(make_url(server.url).set(database=reused.names["hallym_univ"]).render_as_string(False))
        with notes:
            assert notes.execute("SELECT text FROM note").fetchall() == [("theirs",)]

    async def test_are_refused_to_a_pool_that_is_opened(self, manager, tenants, reused, server):
        await manager._parts.isolation.shut(await manager.get_tenant("hallym_univ"))
        with pytest.raises(ConfigurationError, match="tenant other_univ of"):
            await tenants.read("hallym_univ")
        assert _connections(server, reused.names["hallym_univ"]) == 0

    async def test_serve_the_tenant_again_when_its_own_database_is_back(self, tenants, reused):
        with pytest.raises(ConfigurationError):
            await tenants.read("hallym_univ")
        reused.replace("hallym_univ", reused.names["other_univ"])
        assert await tenants.read("hallym_univ") == ["ours"]
        assert await tenants.read("other_univ") == ["theirs"]

    async def test_are_refused_to_the_owner_of_the_tables(self, manager, reused):
        tenant = await manager.get_tenant("hallym_univ")
        for work in (manager.storage_bytes, manager._parts.isolation.complete):
            with pytest.raises(ConfigurationError, match="tenant other_univ of"):
                await work(tenant)

    async def test_are_refused_while_a_session_of_the_one_before_is_open(self, manager, tenants, containers, server):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "ours")
        name = containers.names["other_univ"] = containers.names["hallym_univ"]
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.rollback()
            await manager._parts.isolation.of(tenant := await manager.get_tenant("hallym_univ")).drop(None, tenant)
            await tenants.activate("other_univ")
            await tenants.write("other_univ", "theirs")
            with pytest.raises(ConfigurationError, match="tenant other_univ of"):
                await tenants.read("hallym_univ")
        await manager._parts.isolation.shut(await manager.get_tenant("other_univ"))
        assert _connections(server, name) == 0

    async def test_that_have_an_empty_database_now_are_not_taken_for_the_tenants(self, manager, tenants, containers):
        await tenants.activate("hallym_univ")
        await manager.deactivate_tenant("hallym_univ")
        containers.replace("hallym_univ", containers.new_database())
        with pytest.raises(ConfigurationError, match="comment is empty"):
            await manager.reactivate_tenant("hallym_univ")
        tenant = await manager.get_tenant("hallym_univ")
        with pytest.raises(ConfigurationError, match="comment is empty"):
            async with manager._parts.isolation.session(tenant):
                pass

    async def test_that_another_has_are_left_when_an_activation_is_taken_back(self, manager, tenants, containers):
        await tenants.activate("other_univ")
        await tenants.write("other_univ", "theirs")
        containers.names["hallym_univ"] = containers.names["other_univ"]
        await manager.onboard_tenant("hallym_univ", "Hallym")
        with pytest.raises(ConfigurationError, match="tenant other_univ of"):
            await manager.provision_tenant("hallym_univ")
        async with manager.operation("hallym_univ") as operation:
            await operation.cancel("taken back")
        assert await tenants.read("other_univ") == ["theirs"]


def _connections(server, database: str) -> int:
    ((found,),) = server.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", database)
    return found


@pytest.mark.parametrize("kind", ["DATABASE_PER_TENANT"], indirect=True)
class TestAnEngineThatSomebodyKept:
    async def test_keeps_no_connection_after_its_pool_was_forgotten(
        self, new_manager, plan, tenants_of, room_for, server
    ):
        async with new_manager(isolation=plan, pools=room_for(1)) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "other_univ")
            engine, database = await _engine_of(manager)
            await tenants.write("other_univ", "theirs")

            await _refuse(engine)

            assert _connections(server, database) == 0

    async def test_keeps_no_connection_after_its_pool_was_closed(self, manager, tenants, server):
        await tenants.activate("hallym_univ")
        engine, database = await _engine_of(manager)
        await manager._parts.isolation.connections.close()

        await _refuse(engine)

        assert _connections(server, database) == 0


async def _engine_of(manager):
    """Return the engine of a tenant's session, and the name of its database."""
    async with manager.get_tenant_session("hallym_univ") as session:
        return session.bind, await session.scalar(text("SELECT current_database()"))


async def _refuse(engine) -> None:
    with pytest.raises(TenantNotBound):
        async with AsyncSession(engine) as unbound:
            await unbound.execute(text("SELECT 1"))


@pytest.mark.parametrize("kind", TOGETHER, indirect=True)
class TestWhatAConnectionHasSeen:
    async def test_of_many_schemas_is_forgotten_with_it(self, new_manager, plan, tenants_of, room_for, monkeypatch):
        monkeypatch.setattr(transactions, "_SCHEMAS", 2)
        async with new_manager(isolation=plan, pools=room_for(1)) as manager:
            tenants, connections = tenants_of(manager), manager._parts.isolation.connections
            ids = [f"univ_{number}" for number in range(4)]
            await tenants.activate(*ids)
            pids = []
            for tenant_id in ["univ_0", *ids]:
                await tenants.write(tenant_id, tenant_id)
                pids.append(await tenants.ask(tenant_id, "SELECT pg_backend_pid()"))
                assert connections.open == 1
        assert pids[0] == pids[1]
        assert len(set(pids)) == (4 if plan.default == "SCHEMA_PER_TENANT" else 1)


@pytest.mark.parametrize("kind", ["SCHEMA_PER_TENANT"], indirect=True)
class TestSchemas:
    async def test_are_made_with_all_that_is_in_them_by_one_statement(self, manager, tenants):
        said: list[str] = []

        def note(connection, _cursor, statement, *_):
            if connection.engine.url.database.endswith("_shared_notes"):
                said.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            await tenants.activate("hallym_univ")
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert [statement.split()[0] for statement in said] == ["SELECT", "DO"]
        await tenants.write("hallym_univ", "ours")

    async def test_the_owners_connections_are_renewed(self, new_manager, plan, tenants_of, room_for, monkeypatch):
        monkeypatch.setattr(shared, "_USES", 3)
        async with new_manager(isolation=plan, pools=room_for(1)) as manager:
            await tenants_of(manager).activate("hallym_univ")
            tenant = await manager.get_tenant("hallym_univ")
            seen = []
            for _ in range(9):
                async with manager._parts.isolation.owner(tenant) as owner:
                    seen.append(await owner.scalar(text("SELECT pg_backend_pid()")))
        assert [seen.count(pid) for pid in dict.fromkeys(seen)][1:-1] == [3] * (len(set(seen)) - 2)
        assert len(set(seen)) in {3, 4}


class TestTablesOfAServiceThatAreShared:
    @pytest.fixture
    def shop(self) -> MetaData:
        shop = MetaData()
        Table("maker", shop, Column("id", Integer, primary_key=True), Column("mail", String, unique=True))
        Table(
            "thing",
            shop,
            Column("id", Integer, primary_key=True),
            Column("maker_id", ForeignKey("maker.id", ondelete="SET NULL")),
            Column("kind", String, index=True),
            UniqueConstraint("maker_id", "kind", name="one_of_a_kind"),
        )
        Index("thing_kind_low", shop.tables["thing"].c.kind, unique=True)
        return shop

    @pytest.fixture
    async def manager(self, new_manager, shop):
        plan = IsolationPlan(default="SHARED_TABLES", supported=("SHARED_TABLES",))
        async with new_manager(isolation=plan, metadata=shop) as manager:
            yield manager

    async def test_give_each_tenant_its_own_keys_and_references(self, manager, tenants, shop):
        maker, thing = shop.tables["maker"], shop.tables["thing"]
        await tenants.activate("hallym_univ", "other_univ")
        for tenant_id in ("hallym_univ", "other_univ"):
            async with manager.get_tenant_session(tenant_id) as session:
                await session.execute(maker.insert().values(id=1, mail="a@b.c"))
                await session.execute(thing.insert().values(maker_id=1, kind="x"))
        async with manager.get_tenant_session("other_univ") as session:
            await session.execute(maker.insert().values(id=2, mail="d@e.f"))
        with pytest.raises(IntegrityError):  # which is there, but is another's
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(thing.insert().values(maker_id=2, kind="y"))
        with pytest.raises(IntegrityError):
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(maker.insert().values(mail="a@b.c"))
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.execute(maker.delete())
            assert (await session.scalars(select(thing.c.maker_id))).all() == [None]
        async with manager.get_tenant_session("other_univ") as session:
            assert (await session.scalars(select(thing.c.maker_id))).all() == [1]

    @pytest.mark.parametrize(
        ("columns", "said"),
        [([Column("tenant_id", Integer)], "column tenant_id"), ([Column("id", Integer)], None)],
    )
    async def test_are_refused_with_a_column_that_sharing_adds(self, new_manager, columns, said):
        tables = MetaData()
        Table("thing", tables, *columns)
        plan = IsolationPlan(default="SHARED_TABLES", supported=("SHARED_TABLES",))
        new = new_manager(isolation=plan, metadata=tables)
        if said is None:
            async with new:
                return
        with pytest.raises(ConfigurationError, match=said):
            await new.start()


class TestPlans:
    async def test_decide_who_gets_which(self, new_manager, tenants_of):
        plan = IsolationPlan(default="SHARED_TABLES", supported=KINDS, by_plan={"premium": "DATABASE_PER_TENANT"})
        async with new_manager(isolation=plan) as manager:
            await manager.onboard_tenant("small_univ", "Small")
            await manager.onboard_tenant("big_univ", "Big", plan="premium")
            await manager.onboard_tenant("own_univ", "Own", isolation="SCHEMA_PER_TENANT")
            found = {}
            for tenant_id in ("small_univ", "big_univ", "own_univ"):
                await manager.provision_tenant(tenant_id)
                await tenants_of(manager).write(tenant_id, tenant_id)
                assert await tenants_of(manager).read(tenant_id) == [tenant_id]
                found[tenant_id] = (await manager.get_tenant(tenant_id)).isolation
        assert found == {
            "small_univ": "SHARED_TABLES",
            "big_univ": "DATABASE_PER_TENANT",
            "own_univ": "SCHEMA_PER_TENANT",
        }

    def test_that_name_what_is_not_supported_are_refused(self):
        with pytest.raises(ConfigurationError, match="on plan premium"):
            IsolationPlan(by_plan={"premium": "SHARED_TABLES"})

    async def test_an_isolation_that_a_tenant_has_and_the_service_has_not_is_told(self, new_manager, tenants_of):
        both = IsolationPlan(default="SHARED_TABLES", supported=KINDS)
        async with new_manager(isolation=both) as manager:
            await tenants_of(manager).activate("hallym_univ")
        async with new_manager() as manager:
            with pytest.raises(ConfigurationError, match="SHARED_TABLES"):
                await tenants_of(manager).read("hallym_univ")


class TestSpares:
    async def test_a_spare_becomes_the_tenants_database(self, new_manager, tenants_of, server):
        async with new_manager(isolation=IsolationPlan(spares=2)) as manager:
            spares = manager._parts.isolation.named("DATABASE_PER_TENANT")._spares
            await spares.ready()
            begin = f"mt_{manager.identity.registry_id.hex}_spare_"
            there = server.rows("SELECT oid FROM pg_database WHERE starts_with(datname, %s)", begin)
            await tenants_of(manager).activate("hallym_univ")
            name = (await manager.get_tenant("hallym_univ")).database
            assert server.rows("SELECT oid FROM pg_database WHERE datname = %s", name)[0] in there
            await tenants_of(manager).write("hallym_univ", "kept")
            await spares.ready()
            assert len(server.databases(begin)) == 2

    async def test_more_tenants_than_spares_at_once_get_one_each(self, new_manager, tenants_of):
        async with new_manager(isolation=IsolationPlan(spares=1)) as manager:
            await manager._parts.isolation.named("DATABASE_PER_TENANT")._spares.ready()
            ids = [f"univ_{number}" for number in range(4)]
            await asyncio.gather(*(tenants_of(manager).activate(tenant_id) for tenant_id in ids))
            for tenant_id in ids:
                await tenants_of(manager).write(tenant_id, tenant_id)
                assert await tenants_of(manager).read(tenant_id) == [tenant_id]


class TestConnecting:
    async def test_what_is_cancelled_meanwhile_leaves_no_half_open_connection(self, new_manager, tenants_of, server):
        async with new_manager() as manager:
            await tenants_of(manager).activate("hallym_univ")
            tenant = await manager.get_tenant("hallym_univ")
            for _ in range(20):
                await manager._parts.isolation.shut(tenant)
                task = asyncio.create_task(tenants_of(manager).read("hallym_univ"))
                while not manager._parts.isolation.connections._pools:  # noqa: ASYNC110 - to cancel it at that moment
                    await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            gc.disable()
            try:
                entering = (
                    "SELECT count(*) FROM pg_stat_activity WHERE datname IS NULL AND backend_type = 'client backend'"
                )
                assert server.rows(entering) == [(0,)]
            finally:
                gc.enable()


class TestLevels:
    @pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
    async def test_a_session_has_the_level_that_it_asks_for(self, manager, tenants, level):
        await tenants.activate("hallym_univ")
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.commit()
            await session.connection(execution_options={"isolation_level": level})
            assert await session.scalar(text("SHOW transaction_isolation")) == level.lower()

    @pytest.mark.parametrize("kind", ["SHARED_TABLES"], indirect=True)
    async def test_one_that_would_not_see_a_move_does_not_write(self, manager, tenants):
        await tenants.activate("hallym_univ")
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.commit()
            await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            with pytest.raises(DBAPIError, match="READ COMMITTED"):
                await session.execute(text("INSERT INTO note (text) VALUES ('late')"))
            await session.rollback()


class TestExports:
    async def test_name_the_tables_of_one_tenant_alone(self, manager, tenants):
        await tenants.activate("hallym_univ", "other_univ")
        async with manager.visit(await manager.get_tenant("hallym_univ"), snapshot=True) as session:
            home = await session.scalar(text("SELECT current_schema()"))
            found = (await session.execute(exports._TABLES)).all()
        assert (home, "note", True) in found
        assert {schema for schema, _, _ in found} == {home}


class TestBounds:
    async def test_what_is_discarded_while_it_is_used_counts_until_it_is_closed(
        self, new_manager, tenants_of, room_for
    ):
        async with new_manager(pools=room_for(2)) as manager:
            await tenants_of(manager).activate("hallym_univ")
            connections = manager._parts.isolation.connections
            async with manager.get_tenant_session("hallym_univ"):
                await manager._parts.isolation.shut(await manager.get_tenant("hallym_univ"))
                assert connections.open == 1
                assert await tenants_of(manager).read("hallym_univ") == []
                assert connections.open == 2
            assert connections.open == 1
