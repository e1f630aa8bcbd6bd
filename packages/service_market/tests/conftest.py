"""Fixtures of the market's tests: a real database each, a market in this process, and callers of every kind."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mt_paas.postgres import PostgresServer
from mt_paas.testing.doubles import FakeService, serve
from service_market.assembly import Addresses, Market, assemble
from service_market.main import create_app
from service_market.migrations.upgrade import upgrade
from service_market.rooms.identity.public import bootstrap_operator
from service_market.settings import OutgoingSettings, ProvisioningSettings, Settings, WorkerSettings

DEADLINE = 20.0  # seconds until a test stops waiting for something that should have happened long ago


@dataclass
class MovedClock:
    """A clock that a test moves."""

    moved: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database at the head of the schema, to be cloned."""
    name = f"test_market_{os.getpid()}"
    postgres_server.create_database(name)
    upgrade(Addresses(postgres_server.url(name)))
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def addresses(postgres_server: PostgresServer, migrated: str) -> Iterator[Addresses]:
    """A database of the test's own, at the head of the schema."""
    name = f"{migrated}_{os.urandom(4).hex()}"
    postgres_server.create_database(name, template=migrated)
    yield Addresses(postgres_server.url(name))
    postgres_server.drop_database(name)


@pytest.fixture
def patience() -> float:
    """Seconds that the market waits for a whole answer; a file about services that are silent has less."""
    return 10


@pytest.fixture
def settings(tmp_path: Path, patience: float) -> Settings:
    """Settings under which waiting is short."""
    return Settings(
        home=tmp_path,
        database_pool=5,
        public_url="http://127.0.0.1:9",  # nothing listens there: what services report is for the tests of reports
        provisioning=ProvisioningSettings(attempts=2, first_delay=0.01, longest_delay=0.2, lease=5, deadline=5),
        outgoing=OutgoingSettings(connect_timeout=patience, total_timeout=patience),
        worker=WorkerSettings(polling=0.05, heartbeat=0.5, stalled_after=2),
    )


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def market(settings: Settings, addresses: Addresses, clock: MovedClock) -> AsyncIterator[Market]:
    """A market of this process, on the test's own database."""
    made = assemble(settings, addresses, clock=clock)
    yield made
    await made.close()


class Caller(httpx2.AsyncClient):
    """Somebody who calls the market's API."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://market.test/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


@pytest.fixture
def app(market: Market) -> Any:
    return create_app(market)


@pytest.fixture
async def operator(market: Market, app: Any) -> AsyncIterator[Caller]:
    """The market's operator."""
    async with market.kernel.unit() as uow:
        token = await bootstrap_operator(uow, name="the operator")
    async with Caller(app, token) as caller:
        yield caller


@pytest.fixture
async def anybody(app: Any) -> AsyncIterator[Caller]:
    """A caller without a token."""
    async with Caller(app, None) as caller:
        yield caller


@pytest.fixture
async def caller_with(operator: Caller, app: Any) -> AsyncIterator[Callable[..., Awaitable[Caller]]]:
    """Makes callers with tokens of the market's own making."""
    made: list[Caller] = []

    async def make(**token: Any) -> Caller:
        answer = await operator.post("/tokens", json={"name": "a caller", **token})
        assert answer.status_code == 201, answer.text
        made.append(Caller(app, answer.json()["data"]["token"]))
        return made[-1]

    yield make
    for caller in made:
        await caller.aclose()


@pytest.fixture
async def service() -> FakeService:
    """A service that does what it is told."""
    return FakeService(service_id="fake_tutor")


@pytest.fixture
async def service_url(service: FakeService) -> AsyncIterator[str]:
    """Where that service really listens."""
    async with serve(service) as url:
        yield url


def manifest_text(service: FakeService, base_url: str) -> str:
    """The service's manifest as its vendor would write it: JSON is YAML."""
    return json.dumps(service.manifest(base_url).model_dump(mode="json", exclude_none=True), ensure_ascii=False)


@dataclass
class Scene:
    """A market with an operator, one service and one school: what most stories begin with."""

    market: Market
    operator: Caller
    service: FakeService
    url: str
    school: str = "hallym_univ"
    admin: dict[str, str] = field(default_factory=lambda: {"email": "admin@hallym.ac.kr", "name": "홍길동"})

    async def register(self) -> dict[str, Any]:
        body = {"manifest": manifest_text(self.service, self.url), "api_key": self.service.api_key}
        answer = await self.operator.post("/services", json=body)
        assert answer.status_code == 202, answer.text
        await self.work()
        return await self.get(f"/services/{self.service.service_id}")

    async def add_school(self, slug: str | None = None, name: str = "한림대학교") -> None:
        answer = await self.operator.post("/organizations", json={"slug": slug or self.school, "name": name})
        assert answer.status_code == 201, answer.text

    async def subscribe(self, caller: Caller | None = None, **changed: Any) -> dict[str, Any]:
        body = {"organization": self.school, "service_id": self.service.service_id, "plan": "premium"}
        answer = await (caller or self.operator).post(
            "/subscriptions", json={**body, "admin": self.admin, "term_months": 1, **changed}
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def work(self) -> None:
        """Run the jobs that are due."""
        await self.market.kernel.jobs.run_until_idle()

    async def operation(self, operation_id: str) -> dict[str, Any]:
        """Work until the operation has ended, and return it."""
        until = asyncio.get_running_loop().time() + DEADLINE
        while asyncio.get_running_loop().time() < until:
            await self.work()
            operation = await self.get(f"/operations/{operation_id}")
            if operation["state"] in {"succeeded", "failed"}:
                return operation
        raise AssertionError(f"the operation has not ended: {operation}")

    async def do(self, verb: str, tenant_id: str = "hallym_univ", **body: Any) -> dict[str, Any]:
        """Ask for something to be done to a tenant, and return the ended operation."""
        answer = await self.operator.post(f"/tenants/{tenant_id}/{verb}", json=body)
        assert answer.status_code == 202, answer.text
        return await self.operation(answer.json()["data"]["id"])

    async def get(self, path: str) -> Any:
        answer = await self.operator.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def tenant(self, tenant_id: str = "hallym_univ") -> dict[str, Any]:
        return dict(await self.get(f"/tenants/{tenant_id}"))


@pytest.fixture
async def scene(market: Market, operator: Caller, service: FakeService, service_url: str) -> Scene:
    """A listed service, and a school that has not subscribed yet."""
    made = Scene(market, operator, service, service_url)
    registered = await made.register()
    assert registered["state"] == "listed", registered
    await made.add_school()
    return made


@pytest.fixture
async def active(scene: Scene) -> Scene:
    """The same, with an active tenant ``hallym_univ``."""
    started = await scene.subscribe()
    ended = await scene.operation(started["meta"]["operation"]["id"])
    assert ended["state"] == "succeeded", ended
    return scene
