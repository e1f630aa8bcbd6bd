"""Whether a place is shut is told of what is committed, and not of what is just being committed."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.core.moving.gates import hold, is_shut, shut
from mt_paas.core.moving.places import place_of

BLOCKED = "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"


@pytest.mark.parametrize("isolation", ["DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES"])
@pytest.mark.parametrize("commits", [True, False])
async def test_who_asks_waits_for_who_is_shutting_the_place(manager, tenant, isolation, commits):
    await tenant(isolation)
    place = await place_of(manager.isolation, await manager.get_tenant("hallym_univ"))
    async with place.connect() as shutting, place.connect() as asking, place.connect() as writing:
        await writing.execute("UPDATE book SET words = 1")  # a writer is not waited for
        assert not await is_shut(asking, place)
        await writing.rollback()
        await hold(shutting, place, 5)
        await shut(shutting, place)
        answer = asyncio.create_task(is_shut(asking, place))
        while not answer.done() and not await (await shutting.execute(BLOCKED)).fetchall():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        assert not answer.done()
        await (shutting.commit() if commits else shutting.rollback())
        assert await answer is commits
