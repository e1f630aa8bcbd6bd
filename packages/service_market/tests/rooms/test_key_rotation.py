"""The key of a service is replaced while tenants are being made: the old one goes on until the new one was accepted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mt_paas.testing.doubles import FakeService
from sqlalchemy import text

OLD, NEW, WRONG = (f"the-markets-{which}-key-4f1c9a" for which in ("old", "new", "wrong"))


@pytest.fixture
async def service() -> FakeService:
    """A service in the days in which it takes two keys; what it is asked for takes a while."""
    return FakeService(service_id="fake_tutor", api_key=OLD, second_key=NEW, asynchronous=True)


async def register(scene: Any, key: str) -> dict[str, Any]:
    manifest = scene.service.manifest(scene.url).model_dump_json(exclude_none=True)
    answer = await scene.operator.post("/services", json={"manifest": manifest, "api_key": key})
    assert answer.status_code == 202, answer.text
    await scene.work()
    return dict(await scene.get("/services/fake_tutor"))


def keys_sent(scene: Any) -> list[str]:
    """Watch which keys come, from now on."""
    seen: list[str] = []

    async def watch(call: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in call.scope["headers"]}
        if (key := headers.get("x-market-api-key")) is not None:
            seen.append(key)
        await call.proceed()

    scene.service.behave(watch)
    return seen


class TestAKeyThatIsReplaced:
    async def test_an_operation_that_began_under_the_old_one_ends_under_the_new_one(self, scene: Any) -> None:
        scene.service.until = asyncio.Event()
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        await scene.work()
        seen = keys_sent(scene)
        assert (await register(scene, NEW))["state"] == "listed"
        seen.clear()
        scene.service.until.set()
        assert (await scene.operation(operation_id))["state"] == "succeeded"
        assert set(seen) == {NEW}

    async def test_one_that_the_service_does_not_take_replaces_nothing(self, scene: Any) -> None:
        refused = await register(scene, WRONG)
        assert (refused["state"], refused["reason"][:28]) == ("listed", "the new key was not accepted")
        seen = keys_sent(scene)
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        assert (await scene.operation(operation_id))["state"] == "succeeded"
        assert set(seen) == {OLD}

    async def test_until_it_was_tried_the_old_one_is_used(self, scene: Any) -> None:
        """Between the answer to the operator and the worker's question the market calls as before."""
        seen = keys_sent(scene)
        manifest = scene.service.manifest(scene.url).model_dump_json(exclude_none=True)
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        await scene.operator.post("/services", json={"manifest": manifest, "api_key": NEW})
        async with scene.market.kernel.unit() as uow:  # no worker has come to it yet
            await uow.session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'catalog.verify'"))
        assert (await scene.operation(operation_id))["state"] == "succeeded"
        assert set(seen) == {OLD}
