"""A tenant goes from any isolation to any other with all that it has, or stays where it is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from mt_paas.core.moving.mover import MoveOptions
from mt_paas.core.moving.places import place_of
from mt_paas.core.moving.store import MoveStore
from mt_paas.errors import MoveBusy, MoveFailed, OperationInProgress, ServiceNotReady
from sqlalchemy import text

OWN, SCHEMA, SHARED, CONTAINER = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT"
# Each ordered pair of the four, once.
ROUND = (OWN, SCHEMA, OWN, SHARED, OWN, CONTAINER, SCHEMA, SHARED, SCHEMA, CONTAINER, SHARED, CONTAINER, OWN)


class TestMove:
    @pytest.mark.timeout(300)
    async def test_brings_every_row_of_every_kind_from_each_isolation_to_each_other(self, manager, tenant):
        assert len(set(pairwise(ROUND))) == 12
        reader = await tenant(OWN)
        other = await tenant(SHARED, "other_univ")
        before, others = await reader.everything(), await other.everything()
        assert len(before["book"]) == 30

        for new in ROUND[1:]:
            assert (await manager.move_tenant("hallym_univ", new)).isolation == new
            assert await reader.everything() == before
            assert await other.everything() == others

        steps = [step.reason for step in await manager.history("hallym_univ")]
        assert sum(step.startswith("moved from ") for step in steps) == 12

    async def test_goes_on_with_the_next_number(self, manager, tenant):
        reader = await tenant(OWN)
        await reader.ask("INSERT INTO loan (n) SELECT 1 FROM generate_series(1, 7)")
        await reader.ask("DELETE FROM loan")
        for new in (SCHEMA, SHARED, OWN):
            await manager.move_tenant("hallym_univ", new)
            ((number,),) = await reader.ask("INSERT INTO loan (n) VALUES (1) RETURNING id")
            assert number > 7
            await reader.ask("INSERT INTO author (name) VALUES ('new')")

    async def test_brings_tables_that_the_metadata_do_not_know(self, manager, tenant):
        reader = await tenant(OWN)
        unknown = await manager.get_tenant("hallym_univ")
        async with manager._parts.isolation.owner(unknown) as owner:
            await owner.execute(text("CREATE SEQUENCE ticket"))
            await owner.execute(
                text(
                    "CREATE TABLE found (id int PRIMARY KEY DEFAULT nextval('ticket'), book_id bigint REFERENCES book,"
                    " note varchar(20) DEFAULT 'x' CHECK (note <> ''))"
                )
            )
        await reader.ask("INSERT INTO found (book_id) SELECT id FROM book")
        rows = await reader.ask("SELECT id, book_id, note FROM found ORDER BY id")
        assert len(rows) == 30

        await manager.move_tenant("hallym_univ", SCHEMA)

        assert await reader.ask("SELECT id, book_id, note FROM found ORDER BY id") == rows
        assert await reader.ask("INSERT INTO found (book_id) VALUES (NULL) RETURNING id") == [(31,)]

    async def test_says_what_would_be_lost_and_leaves_the_tenant(self, manager, tenant):
        reader = await tenant(OWN)
        before = await reader.everything()
        unknown = await manager.get_tenant("hallym_univ")
        async with manager._parts.isolation.owner(unknown) as owner:
            await owner.execute(text("CREATE VIEW glad AS SELECT * FROM book WHERE mood = 'glad'"))
        with pytest.raises(MoveFailed, match="the view glad would be lost"):
            await manager.move_tenant("hallym_univ", SCHEMA)
        assert await reader.everything() == before
        assert (await manager.get_tenant("hallym_univ")).isolation == OWN

    async def test_to_where_the_tenant_is_does_nothing(self, manager, tenant):
        await tenant(SCHEMA)
        steps = await manager.history("hallym_univ")
        assert (await manager.move_tenant("hallym_univ", SCHEMA)).isolation == SCHEMA
        assert await manager.history("hallym_univ") == steps

    async def test_of_a_suspended_tenant_leaves_it_suspended(self, manager, tenant):
        reader = await tenant(SCHEMA)
        before = await reader.everything()
        await manager.suspend_tenant("hallym_univ", "unpaid")
        await manager.move_tenant("hallym_univ", OWN)
        assert (await manager.get_tenant("hallym_univ")).status == "suspended"
        await manager.resume_tenant("hallym_univ")
        assert await reader.everything() == before


class TestTheOldPlace:
    @pytest.mark.parametrize(("old", "new"), [(OWN, SCHEMA), (SCHEMA, SHARED), (SHARED, OWN), (CONTAINER, SHARED)])
    async def test_refuses_whoever_does_not_know_of_the_move(self, manager, tenant, old, new):
        await tenant(old)
        stale = await manager.get_tenant("hallym_univ")
        async with manager.open_session(stale) as session:  # a connection that is there already
            await session.execute(text("SELECT count(*) FROM book"))
        await manager.move_tenant("hallym_univ", new)
        for statement in ("INSERT INTO loan (n) VALUES (1)", "SELECT count(*) FROM book", "DELETE FROM visit"):
            with pytest.raises(ServiceNotReady, match="moved"):
                async with manager.open_session(stale) as session:
                    await session.execute(text(statement))

    async def test_is_deleted_by_the_sweep_when_it_is_not_kept_any_longer(self, manager, tenant, server, clock):
        reader = await tenant(OWN)
        before = await reader.everything()
        name = (await manager.get_tenant("hallym_univ")).database
        await manager.move_tenant("hallym_univ", SHARED, options=MoveOptions(keep=timedelta(hours=2)))
        clock.move(hours=1)
        await manager.sweep()
        assert server.databases(name) == [name]
        clock.move(hours=1)
        await manager.sweep()
        assert server.databases(name) == []
        assert server.roles(name) == []
        assert await manager.store(MoveStore).find("hallym_univ") is None
        assert await reader.everything() == before

    async def test_is_purged_with_the_tenant(self, manager, tenant, server):
        await tenant(OWN)
        name = (await manager.get_tenant("hallym_univ")).database
        await manager.move_tenant("hallym_univ", SCHEMA)
        await manager.deactivate_tenant("hallym_univ", preserve_data=False)
        assert server.databases(name) == []


class TestAMoveThatFails:
    @pytest.mark.parametrize(("old", "new"), [(OWN, SHARED), (SHARED, SCHEMA), (SCHEMA, OWN)])
    async def test_because_a_row_is_not_the_same_is_undone(self, manager, tenant, old, new, server):
        reader = await tenant(old)
        before = await reader.everything()
        await _long_ago(server)

        async def alter() -> None:
            move = await manager.store(MoveStore).find("hallym_univ")
            target = _at(await manager.get_tenant("hallym_univ"), move)
            place = await place_of(manager._parts.isolation, target)
            async with place.connect() as connection:
                await connection.execute("UPDATE book SET about = '{}' WHERE words = 9000")
                await connection.commit()

        for moment in ("copied", "compared"):
            options = MoveOptions(report=_when(moment, alter))
            with pytest.raises(MoveFailed, match="table book has 30 rows, of which some are not the same"):
                await manager.move_tenant("hallym_univ", new, options=options)
            assert (await manager.get_tenant("hallym_univ")).isolation == old
            assert await manager.store(MoveStore).find("hallym_univ") is None
            assert await reader.everything() == before
            await reader.ask("INSERT INTO loan (n) VALUES (1)")
            before = await reader.everything()
        await manager.move_tenant("hallym_univ", new)
        assert await reader.everything() == before

    async def test_because_a_transaction_stays_open_says_so(self, manager, tenant):
        reader = await tenant(SHARED)
        async with manager.get_tenant_session("hallym_univ") as session:
            await session.execute(text("INSERT INTO loan (n) VALUES (1)"))
            with pytest.raises(MoveBusy, match="stayed open"):
                await manager.move_tenant("hallym_univ", OWN, options=MoveOptions(patience=0.1, attempts=2))
        assert (await manager.get_tenant("hallym_univ")).isolation == SHARED
        assert await reader.ask("SELECT n FROM loan") == [(1,)]

    async def test_while_another_is_under_way_leaves_that_alone(self, manager, library, tenant):
        reader = await tenant(OWN)
        before = await reader.everything()
        async with library() as other:

            async def interfere() -> None:
                with pytest.raises(OperationInProgress):
                    await other.move_tenant("hallym_univ", SHARED)

            await manager.move_tenant("hallym_univ", SCHEMA, options=MoveOptions(report=_when("copied", interfere)))
        assert (await manager.get_tenant("hallym_univ")).isolation == SCHEMA
        assert await reader.everything() == before


async def _long_ago(server):
    """Return when no transaction of the server is open that began before now: a move copies what it is not certain of
    again, and would mend what the test breaks."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        now = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        past = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s"
        while connection.execute(past, now).fetchone() != (True,):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.02)


def _at(tenant, move):
    return replace(tenant, isolation=move.new_isolation, database=move.new_database)


def _when(moment, work):
    """Return a report that does ``work``, on a loop of its own, when the move comes to ``moment``."""

    def report(step: str) -> None:
        if step == moment:
            with ThreadPoolExecutor(1) as aside:
                aside.submit(lambda: asyncio.run(work())).result()

    return report
