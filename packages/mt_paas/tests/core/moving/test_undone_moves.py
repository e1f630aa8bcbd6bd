"""What is left of a move that fails: nothing, and nobody works on it any longer when the tenant is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from mt_paas.core.moving.mover import MoveOptions
from mt_paas.core.moving.places import place_of
from mt_paas.core.moving.store import MoveStore
from mt_paas.errors import ConfigurationError, MoveFailed
from sqlalchemy import text

OWN, SCHEMA, SHARED, CONTAINER = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT"
COUNT = "SELECT count(*) FROM mt_shared.book WHERE tenant_id = 'hallym_univ'"


class Holder:
    """Somebody who holds rows of the new place: to delete them takes as long as it does where they are very many."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def report(self, word: str) -> None:
        if word == "compared":  # not before: the move itself may write to a row again that it is not certain of
            self.connection.execute("SELECT FROM mt_shared.book WHERE tenant_id = 'hallym_univ' FOR UPDATE")
            raise MoveFailed("for the test")

    def is_waited_for(self) -> bool:
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        return bool(self.connection.execute(waiting).fetchall())

    async def until_it_is_waited_for(self) -> None:
        while not self.is_waited_for():  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.02)


@pytest.fixture
def new_place(manager):
    async def find(isolation: str):
        tenant = await manager.get_tenant("hallym_univ")
        database = manager.isolation.named(isolation).place("hallym_univ")
        return await place_of(manager.isolation, replace(tenant, isolation=isolation, database=database))

    return find


@pytest.fixture
def holders() -> Iterator[Callable[[str], Holder]]:
    """Connect somebody who holds rows."""
    made: list[psycopg.Connection] = []

    def make(url: str) -> Holder:
        made.append(psycopg.connect(url))
        return Holder(made[-1])

    yield make
    for connection in made:
        connection.close()


class TestUndoing:
    async def test_that_is_cut_off_has_ended_when_the_tenant_is_let_go(self, manager, tenant, new_place, holders):
        reader = await tenant(SCHEMA)
        before = await reader.everything()
        holder = holders((await new_place(SHARED)).url)
        with pytest.raises(MoveFailed, match="for the test"):
            await manager.move_tenant("hallym_univ", SHARED, options=MoveOptions(undo=1.0, report=holder.report))
        assert not holder.is_waited_for()
        holder.connection.rollback()
        await manager.move_tenant("hallym_univ", SHARED)
        assert await reader.everything() == before

    async def test_has_ended_before_a_move_that_is_cancelled_again(self, manager, tenant, new_place, holders):
        await tenant(SCHEMA)
        holder = holders((await new_place(SHARED)).url)
        options = MoveOptions(report=holder.report)
        moving = asyncio.create_task(manager.move_tenant("hallym_univ", SHARED, options=options))
        await holder.until_it_is_waited_for()
        for _ in range(2):
            moving.cancel()
            await asyncio.wait([moving], timeout=0.2)
        assert holder.is_waited_for()
        assert not moving.done()
        holder.connection.rollback()
        with pytest.raises(asyncio.CancelledError):
            await moving
        assert await manager.store(MoveStore).find("hallym_univ") is None

    async def test_deletes_nothing_where_the_tenant_is_held_no_longer(self, manager, tenant, new_place, holders):
        await tenant(SCHEMA)
        holder = holders((await new_place(SHARED)).url)
        options = MoveOptions(report=holder.report)
        moving = asyncio.create_task(manager.move_tenant("hallym_univ", SHARED, options=options))
        await holder.until_it_is_waited_for()
        await _lose_the_locks(manager)
        holder.connection.rollback()
        with pytest.raises(MoveFailed, match="for the test"):
            await moving
        assert holder.connection.execute(COUNT).fetchall() == [(30,)]

    async def test_leaves_a_database_that_is_another_tenants(self, manager, tenant, container_database):
        reader = await tenant(SCHEMA)
        before = await reader.everything()
        with psycopg.connect(container_database, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"COMMENT ON DATABASE {name} IS 'mt_paas tenant other_univ of registry 1'")
            connection.execute("CREATE TABLE theirs ()")
            with pytest.raises(ConfigurationError, match="another's"):
                await manager.move_tenant("hallym_univ", CONTAINER)
            assert await manager.store(MoveStore).find("hallym_univ") is None
            connection.execute("SELECT FROM theirs")
        assert await reader.everything() == before


class TestWhatIsSaid:
    async def test_of_a_refusal_has_no_rows(self, manager, tenant, new_place):
        reader = await tenant(OWN)
        place = await new_place(SHARED)

        def report(word: str) -> None:
            if word == "copied":
                with psycopg.connect(place.url) as connection:
                    connection.execute("ALTER TABLE mt_shared.book ADD CONSTRAINT short CHECK (words < 1000000)")
                source = psycopg.connect(own.url)
                source.execute("UPDATE book SET words = 12345678")
                source.commit()
                source.close()

        own = await place_of(manager.isolation, await manager.get_tenant("hallym_univ"))
        with pytest.raises(MoveFailed) as caught:
            await manager.move_tenant("hallym_univ", SHARED, options=MoveOptions(report=report))
        assert "23514, table book, constraint short" in str(caught.value)
        assert "12345678" not in str(caught.value)
        assert caught.value.__suppress_context__
        assert (await reader.ask("SELECT DISTINCT words FROM book")) == [(12345678,)]


async def _lose_the_locks(manager) -> None:
    """End the connections that hold tenants of this registry."""
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with manager._parts.engine.connect() as connection:
        assert await connection.scalar(text(ended)) == 1
