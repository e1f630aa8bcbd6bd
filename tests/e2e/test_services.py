"""The two services as they are run: processes of their own, killed without warning and started again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from mt_paas.testing.tenants import drop_registry

from tests.e2e.processes import RunningService


@pytest.fixture
def start(tmp_path, fresh_database) -> Iterator[object]:
    """Start a service; each call starts another process of it, on the same data."""
    prefix = f"t{secrets.token_hex(3)}_"
    with ExitStack() as stack:

        async def start(name: str) -> RunningService:
            service = RunningService(name, tmp_path, fresh_database, prefix)
            stack.enter_context(service.process)
            await service.ready()
            return service

        yield start
    drop_registry(fresh_database)


@pytest.mark.system
@pytest.mark.parametrize("name", ["sample_service", "plain_service"])
class TestKill9:
    async def test_loses_no_note_and_no_tenant(self, start, name):
        service = await start(name)
        activated = await service.activate()
        key = (await service.call("POST", activated.json()["admin_credentials"]["setup_url"])).json()["access_key"]
        user = {"Authorization": f"Bearer {key}"}
        written = await service.call("POST", "/app/notes", json={"text": "kept"}, headers=user)
        assert written.status_code == 201

        service.process.end()
        service.process.start()
        await service.ready()

        assert (await service.call("GET", "/app/notes", headers=user)).json() == [{"text": "kept"}]
        assert (await service.activate()).json() == activated.json()


@pytest.mark.system
@pytest.mark.parametrize("name", ["sample_service", "plain_service"])
async def test_two_processes_are_one_service(start, name):
    one, other = await start(name), await start(name)

    answers = await asyncio.gather(*(service.activate() for service in (one, other) for _ in range(3)))
    again = [await service.activate() for service in (one, other)]

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert [answer.status_code for answer in again] == [200, 200]
    links = {answer.json()["admin_credentials"]["setup_url"].partition("?")[2] for answer in again}
    assert len(links) == 1
