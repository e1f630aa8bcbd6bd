"""A task that is cut off, at whatever moment, keeps nothing: no connection, and no place that one would have."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable
from contextlib import suppress

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from sqlalchemy import text
from sqlalchemy.exc import PendingRollbackError

KINDS = ("DATABASE_PER_TENANT", "SHARED_TABLES")
IDS = ("one_univ", "two_univ", "three_univ")
SWEEPS = 3  # a server answers now earlier and now later

pytestmark = pytest.mark.filterwarnings("error:The garbage collector")


@pytest.fixture
def registry_url(empty_registry_url) -> str:
    return empty_registry_url


@pytest.fixture(params=KINDS)
async def manager(request, new_manager, room_for, tenants_of):
    plan = IsolationPlan(default=request.param, supported=(request.param,))
    async with new_manager(isolation=plan, pools=room_for(2)) as manager:
        await activate(manager, tenants_of)
        yield manager


async def activate(manager: TenantManager, tenants_of) -> None:
    """Activate the tenants, and return when they are remembered: it is not the registry that is asked here."""
    await tenants_of(manager).activate(*IDS)
    for tenant_id in IDS:
        while await manager.get_tenant(tenant_id) is not await manager.get_tenant(tenant_id):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


def require_free(manager: TenantManager) -> None:
    """Fail unless every place is free, and every connection that is open is idle in its pool."""
    connections = manager._parts.isolation.connections
    pools = connections._all()
    assert connections._places._value == connections._limit
    assert [(pool.users, pool.leases, len(pool.idle)) for pool in pools] == [(0, 0, pool.open) for pool in pools]
    assert all(pool.slots._value == pool.size for pool in pools)
    assert connections.open <= connections._limit


async def cut_off(work: Awaitable[None], turns: int) -> bool:
    """Cancel ``work`` when the loop has gone round so many times; tell whether it was still at work."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
        if task.done():
            return False
    task.cancel()
    await asyncio.wait([task])
    return True


async def works(manager: TenantManager, tenant_id: str) -> None:
    async with manager.get_tenant_session(tenant_id) as session:
        await session.execute(text("SELECT 1"))
        await session.commit()
        await session.execute(text("INSERT INTO note (text) VALUES ('kept')"))


async def fails(manager: TenantManager, tenant_id: str) -> None:
    with suppress(RuntimeError):
        async with manager.get_tenant_session(tenant_id) as session:
            await session.execute(text("SELECT 1"))
            raise RuntimeError


@pytest.mark.parametrize("work", [works, fails])
class TestCutOff:
    async def test_at_any_moment(self, manager, work):
        await works(manager, "one_univ")
        for _ in range(SWEEPS):
            turns = 0
            while await cut_off(work(manager, "one_univ"), turns):
                require_free(manager)
                turns += 1
        gc.collect()  # a connection among it would be an error

    async def test_while_it_opens_its_connection(self, manager, work):
        turns = 0
        while await cut_off(work(manager, "one_univ"), turns):
            require_free(manager)
            await manager._parts.isolation.connections.close()
            assert manager._parts.isolation.connections.open == 0
            turns += 1 + turns // 10
        gc.collect()

    @pytest.mark.parametrize("victim", range(3))
    async def test_while_others_wait(self, manager, work, victim):
        """Three tenants ask for two places. One of them is cut off, and the others get what they ask for."""
        for _ in range(SWEEPS):
            turns, cut = 0, True
            while cut:
                others = [works(manager, tenant_id) for tenant_id in IDS[:victim]]
                more = [works(manager, tenant_id) for tenant_id in IDS[victim + 1 :]]
                done = await asyncio.gather(*others, cut_off(work(manager, IDS[victim]), turns), *more)
                cut = bool(done[victim])
                require_free(manager)
                turns += 1 + turns // 10
        gc.collect()


class TestAClosedConnection:
    async def test_leaves_nothing_behind_that_would_be_taken_for_an_idle_one(self, new_manager, room_for, tenants_of):
        """One of two connections is closed with its statement; the other is what makes room for the next tenant."""
        async with new_manager(pools=room_for(2).model_copy(update={"size": 2})) as manager:
            await activate(manager, tenants_of)
            async with manager.get_tenant_session("one_univ"):
                with suppress(PendingRollbackError):
                    async with manager.get_tenant_session("one_univ") as session:
                        await cut_off(session.execute(text("SELECT pg_sleep(60)")), 5)
            require_free(manager)
            async with manager.get_tenant_session("one_univ"):
                await works(manager, "two_univ")
            require_free(manager)
            assert manager._parts.isolation.connections.open == 2
