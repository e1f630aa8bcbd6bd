"""The tenant of the running code."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from mt_paas.core.context import bind_tenant, current_tenant_id, tenant_bound, unbind_tenant


class TestContext:
    def test_nobody_is_bound_at_first(self):
        assert current_tenant_id() is None

    def test_ending_a_binding_restores_the_one_before(self):
        outer = bind_tenant("outer")
        inner = bind_tenant("inner")
        assert current_tenant_id() == "inner"
        unbind_tenant(inner)
        assert current_tenant_id() == "outer"
        unbind_tenant(outer)
        assert current_tenant_id() is None

    def test_a_block_that_fails_leaves_nothing(self):
        with suppress(LookupError), tenant_bound("hallym_univ"):
            assert current_tenant_id() == "hallym_univ"
            raise LookupError
        assert current_tenant_id() is None

    async def test_tasks_inherit_it_and_do_not_share_it(self):
        async def work(tenant_id: str, turn: asyncio.Barrier) -> str | None:
            with tenant_bound(tenant_id):
                await turn.wait()
                return await asyncio.create_task(read())

        async def read() -> str | None:
            return current_tenant_id()

        turn = asyncio.Barrier(2)
        assert await asyncio.gather(work("a_univ", turn), work("b_univ", turn)) == ["a_univ", "b_univ"]
        assert current_tenant_id() is None
