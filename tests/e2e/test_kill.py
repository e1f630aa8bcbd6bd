"""``kill -9`` of the whole market between every two steps of the sagas: started again, nothing is lost or half-done."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService, fail, rightly, serve

from tests.e2e.processes import DEADLINE, QUICK, MarketApi, Process, eventually, free_port

ADMIN = {"email": "admin@hallym.ac.kr", "name": "홍길동"}
ACTIVATION = [
    "claimed",
    "activate called",
    "activate recorded",
    "verify called",
    "verify recorded",
    "health called",
    "health recorded",
    "finished",
]
UNDOING = ["given up", "activate undone", "failed"]
DEACTIVATION = ["claimed", "deactivate called", "deactivate recorded", "verify called", "verify recorded", "finished"]
LATER = ["activate called", "activate accepted", "activate recorded", "verify called"]
PURGE = ["claimed", "purge called", "purge recorded", "verify called", "verify recorded", "finished"]


class Desk:
    """One machine: a folder, a service that stays up, and a market that is killed and started again."""

    def __init__(self, folder: Path, service: FakeService, service_url: str) -> None:
        self.folder, self.service, self.service_url = folder, service, service_url
        self.kill_at = folder / "kill_at"
        self.kill_at.write_text("")
        self.port = free_port()
        script = str(Path(__file__).with_name("crashing_market.py"))
        self.process = Process(
            [script, str(self.port), str(self.kill_at)],
            folder / "market.log",
            {
                **QUICK,
                "MARKET_HOME": str(folder / "home"),
                "MARKET_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
                "DATABASE_URL": "",
            },
        )
        self.api = MarketApi(self.port)

    async def start(self) -> None:
        self.kill_at.write_text("")
        self.process.start()
        await self.api.ready()
        self.api.token = (self.folder / "home" / "token").read_text()

    async def subscribe(self, slug: str) -> str:
        """Subscribe a new school, and return the id of the activation."""
        await self.api.post("/organizations", {"slug": slug, "name": slug})
        body = {"organization": slug, "service_id": self.service.service_id, "plan": "basic", "admin": ADMIN}
        return str((await self.api.post("/subscriptions", body))["meta"]["operation"]["id"])

    async def die_at(self, step: str, path: str, body: Any = None) -> str | None:
        """Ask for something, and see the market killed at ``step``; return the operation, if it could be answered."""
        self.kill_at.write_text(step)
        try:
            answer = await self.api.post(path, body)
            operation = (answer["meta"].get("operation") or answer["data"])["id"]
        except httpx2.TransportError:
            operation = None  # it was quicker than the answer
        assert await self.process.died() == -signal.SIGKILL
        return operation

    async def transitions(self, tenant_id: str) -> list[str]:
        return [row["to_state"] for row in await self.api.get(f"/tenants/{tenant_id}/history")]

    async def last_operation(self, tenant_id: str) -> Any:
        newest = (await self.api.get(f"/operations?tenant_id={tenant_id}"))[0]
        return await self.api.ended(newest["id"])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own user can reach, unlike pytest's, and that is removed with the data in it."""
    made = Path(tempfile.mkdtemp(prefix="mt-paas-kill-"))
    made.chmod(0o711)
    yield made
    until = time.monotonic() + DEADLINE
    while made.exists():  # the database takes a moment to stop after its last user has gone
        shutil.rmtree(made, ignore_errors=True)
        assert time.monotonic() < until, f"{made} can not be removed"


@pytest.fixture
def service() -> FakeService:
    return FakeService(service_id="fake_tutor")


@pytest.fixture
async def desk(folder: Path, service: FakeService) -> AsyncIterator[Desk]:
    async with serve(service) as url:
        made = Desk(folder, service, url)
        try:
            await made.start()
            await _register(made)
            yield made
        finally:
            made.process.end(signal.SIGTERM)  # so that the database has stopped when its folder is removed


async def _register(desk: Desk) -> None:
    manifest = desk.service.manifest(desk.service_url).model_dump_json(exclude_none=True)
    await desk.api.post("/services", {"manifest": manifest, "api_key": desk.service.api_key})

    async def listed() -> bool:
        return bool((await desk.api.get("/services/fake_tutor"))["state"] == "listed")

    await eventually(listed)


def subscription(slug: str) -> dict[str, Any]:
    return {"organization": slug, "service_id": "fake_tutor", "plan": "basic", "admin": ADMIN}


@pytest.mark.timeout(400)
class TestKilledBetweenTwoSteps:
    async def test_of_an_activation_it_is_completed_once(self, desk: Desk) -> None:
        for number, step in enumerate(ACTIVATION):
            slug = f"school_{number}"
            await desk.api.post("/organizations", {"slug": slug, "name": slug})
            await desk.die_at(step, "/subscriptions", subscription(slug))
            await desk.start()
            operation = await desk.last_operation(slug)
            assert operation["state"] == "succeeded", (step, operation)
            assert await desk.transitions(slug) == ["pending", "provisioning", "active"], step
            assert desk.service.tenants[slug].state is TenantState.ACTIVE
            asked = [each for each in desk.service.calls if (each.tenant_id, each.operation) == (slug, "activate")]
            assert {each.headers["idempotency-key"] for each in asked} == {operation["id"]}, step
            assert all(each.body == asked[0].body and each.body["callback"] for each in asked), step
            assert len(asked) <= 2, step

    async def test_of_giving_up_it_is_undone(self, desk: Desk) -> None:
        for number, step in enumerate(UNDOING):
            slug = f"school_{number}"
            desk.service.behave(fail(500, "no room"), on="status")
            await desk.api.post("/organizations", {"slug": slug, "name": slug})
            await desk.die_at(step, "/subscriptions", subscription(slug))
            await desk.start()
            operation = await desk.last_operation(slug)
            assert (operation["state"], operation["error"]["code"]) == ("failed", "service_failed"), step
            assert await desk.transitions(slug) == ["pending", "provisioning", "failed"], step
            assert desk.service.tenants[slug].state is TenantState.DEACTIVATED, step
            desk.service.behave(rightly, on="status")
            retried = await desk.api.post(f"/tenants/{slug}/provision")
            assert (await desk.api.ended(retried["data"]["id"]))["state"] == "succeeded", step

    async def test_of_deactivation_and_purge_they_are_completed_once(self, desk: Desk) -> None:
        for number, (deactivating, purging) in enumerate(zip(DEACTIVATION, PURGE, strict=True)):
            slug = f"school_{number}"
            assert (await desk.api.ended(await desk.subscribe(slug)))["state"] == "succeeded"
            for verb, step in (("deactivate", deactivating), ("purge", purging)):
                await desk.die_at(step, f"/tenants/{slug}/{verb}", {})
                await desk.start()
                operation = await desk.last_operation(slug)
                assert (operation["kind"], operation["state"]) == (verb, "succeeded"), (step, operation)
            assert (await desk.transitions(slug))[2:] == [
                "active", "deactivating", "deactivated", "purging", "purged",
            ]  # fmt: skip
            assert slug in desk.service.purged


@pytest.mark.timeout(400)
class TestKilledWhileTheServiceWorks:
    @pytest.fixture
    def service(self) -> FakeService:
        return FakeService(service_id="fake_tutor", asynchronous=True, steps=3)

    async def test_what_it_works_on_is_asked_for_and_not_begun_again(self, desk: Desk) -> None:
        for number, step in enumerate(LATER):
            slug = f"school_{number}"
            await desk.api.post("/organizations", {"slug": slug, "name": slug})
            await desk.die_at(step, "/subscriptions", subscription(slug))
            await desk.start()
            operation = await desk.last_operation(slug)
            assert operation["state"] == "succeeded", (step, operation)
            assert await desk.transitions(slug) == ["pending", "provisioning", "active"], step
            begun = [each for each in desk.service.operations.values() if each.tenant_id == slug]
            assert len(begun) == 1, step
            asked_again = step == "activate called"  # it died before it could write down what the service had begun
            assert desk.service.count("activate", slug) == (2 if asked_again else 1), step


class TestKilledAtAnyTime:
    async def test_what_was_answered_is_there(self, desk: Desk) -> None:
        """Every row whose write was acknowledged is found again, whatever happened to the rest."""
        acknowledged = []
        for number in range(30):
            slug = f"school_{number}"
            await desk.api.post("/organizations", {"slug": slug, "name": slug})
            acknowledged.append(slug)
        desk.process.end(signal.SIGKILL)
        await desk.start()
        found = {row["slug"] for row in await desk.api.get("/organizations?limit=500")}
        assert set(acknowledged) <= found
