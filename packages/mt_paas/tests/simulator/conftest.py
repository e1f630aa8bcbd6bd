"""What the tests of the simulator share: a right service in memory, served, and simulators that drive it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from mt_paas.simulator import Options, Simulation, simulation
from mt_paas.testing.doubles import FakeService, serve


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def base_url(service: FakeService) -> AsyncIterator[str]:
    async with serve(service) as url:
        yield url


@pytest.fixture
def simulate(service: FakeService, base_url: str) -> Callable[..., AbstractAsyncContextManager[Simulation]]:
    """Return a simulator of ``service``, with options of one's own."""

    def begin(**options) -> AbstractAsyncContextManager[Simulation]:
        return simulation(Options(**{"target": base_url, "key": service.api_key, "port": 0, "seed": 1} | options))

    return begin


@pytest.fixture
async def run(simulate) -> AsyncIterator[Simulation]:
    async with simulate() as run:
        yield run
