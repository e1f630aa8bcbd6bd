"""Random programs of hostile tenants, interleaved over few connections: none sees or changes what is another's."""

from __future__ import annotations

import asyncio

import pytest
from attacks import Machine, Move
from attacks.machine import ACTIONS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mt_paas.errors import ServiceNotReady

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(0),
    pytest.mark.filterwarnings("ignore:using 'notifies:RuntimeWarning"),  # the connection has a handler, which drops
]

MOVES = st.builds(
    Move,
    tenant=st.integers(0, 11),
    action=st.sampled_from(tuple(ACTIONS)),
    choice=st.integers(0, 9_999),
    other=st.integers(0, 11),
)
ANY = settings(
    max_examples=settings().max_examples * 3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a leak says what was seen; making it small takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


class TestTurns:
    """Sessions that are open at once, whose steps take turns in every order."""

    @ANY
    @given(seats=st.integers(1, 2), program=st.lists(MOVES, min_size=15, max_size=25))
    async def test_show_nobody_anothers_rows(self, world, seats, program):
        world.reset()
        await Machine(world, seats=seats).play(program)


class TestAtOnce:
    """Requests that are served at once and wait for one another's connections; some are cut off."""

    @settings(ANY, max_examples=max(1, settings().max_examples * 3 // 5))
    @given(
        programs=st.lists(
            st.tuples(st.lists(MOVES, min_size=2, max_size=6), st.none() | st.integers(0, 40)), min_size=3, max_size=6
        )
    )
    async def test_show_nobody_anothers_rows(self, world, programs):
        world.reset()
        machine = Machine(world, watch=False)

        async def request(number: int, moves: list[Move], cut_off: int | None) -> None:
            own = Machine(world, seats=1, watch=False)
            tenant = moves[0].tenant + number
            task = asyncio.create_task(own.alone([Move(tenant, m.action, m.choice, m.other) for m in moves]))
            if cut_off is not None:
                for _ in range(cut_off):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                assert cut_off is not None
            except ServiceNotReady:
                """All connections were in use for longer than its patience: it was told so, and has seen nothing."""

        await asyncio.gather(*(request(n, *program) for n, program in enumerate(programs)))
        machine.accept()
        await machine.play([])
