"""Calls for one tenant at once, of one process and of several."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.errors import IllegalTransition, OperationInProgress, ServiceNotReady
from mt_paas.utils.pool_settings import PoolSettings


class TestConcurrency:
    async def test_of_two_calls_one_works_and_the_other_is_told(self, manager, new_manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        async with new_manager() as elsewhere, elsewhere.operation("hallym_univ"):
            with pytest.raises(OperationInProgress):
                await manager.provision_tenant("hallym_univ")

        assert [step.went_to for step in await manager.history("hallym_univ")] == ["pending"]

    async def test_many_at_once_make_one_tenant(self, manager, new_manager, server, prefix):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        async with new_manager() as elsewhere:
            calls = [where.provision_tenant("hallym_univ") for where in (manager, elsewhere) for _ in range(3)]
            results = await asyncio.gather(*calls, return_exceptions=True)

        assert sum(not isinstance(result, Exception) for result in results) == 1
        refused = [type(result) for result in results if isinstance(result, Exception)]
        assert set(refused) <= {OperationInProgress, IllegalTransition}
        assert server.databases(prefix) == [f"{prefix}hallym_univ"]

    async def test_a_call_that_finds_no_place_is_told_so_in_time(self, new_manager):
        async with new_manager(pools=PoolSettings(operations=1, patience=0.2)) as manager:
            async with manager.operation("hallym_univ"):
                with pytest.raises(ServiceNotReady, match="All places for lifecycle calls are taken"):
                    await manager.onboard_tenant("other_univ", "Other")
            await manager.onboard_tenant("other_univ", "Other")

    async def test_tenants_do_not_wait_for_each_other(self, manager):
        await manager.onboard_tenant("other_univ", "Other")

        async with manager.operation("hallym_univ"):
            tenant = await manager.provision_tenant("other_univ")

        assert tenant.status == "active"

    async def test_a_call_that_is_cancelled_lets_go(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        held = asyncio.Event()

        async def hold() -> None:
            async with manager.operation("hallym_univ"):
                held.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(hold())
        await held.wait()
        holder.cancel()
        await asyncio.wait([holder])

        assert (await manager.provision_tenant("hallym_univ")).status == "active"

    async def test_more_calls_than_places_wait(self, new_manager):
        async with new_manager(pools=PoolSettings(operations=1)) as manager:
            ids = [f"univ_{number}" for number in range(4)]
            await asyncio.gather(*(manager.onboard_tenant(tenant_id, "A name") for tenant_id in ids))

            assert len((await manager.list_tenants()).items) == 4
