"""A service in a process of its own tells its market of its own accord, and the market knows who said it of whom."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mt_paas.postgres import PostgresServer
from mt_paas.testing.tenants import drop_registry

from tests.e2e.processes import QUICK, MarketApi, Process, RunningService, eventually, free_port

MANIFEST = Path(__file__).parents[2] / "services/sample_service/sample_service/manifest.yaml"


@pytest.fixture
async def service(tmp_path: Path, fresh_database: str) -> AsyncIterator[RunningService]:
    """The sample service, which is written on mt_paas and declares events."""
    made = RunningService("sample_service", tmp_path, fresh_database, f"t{secrets.token_hex(3)}_")
    with made.process:
        await made.ready()
        yield made
    drop_registry(fresh_database)


@pytest.fixture
def market_database(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"test_events_{os.getpid()}_{secrets.token_hex(4)}"
    postgres_server.create_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
async def market(tmp_path: Path, market_database: str, service: RunningService) -> AsyncIterator[MarketApi]:
    """A market that is told no address: services reach it where it listens. The service is in its catalogue."""
    port, home = free_port(), tmp_path / "market"
    env = {**QUICK, "MARKET_HOME": str(home), "MARKET_DATABASE_URL": market_database}
    env["MARKET_OUTGOING__TOTAL_TIMEOUT"] = "30"  # a database is made for a tenant
    command = ["-m", "service_market.cli", "up", "--port", str(port)]
    with ExitStack() as stack:
        stack.enter_context(Process(command, tmp_path / "market.log", env))
        api = MarketApi(port)
        await api.ready()
        api.token = (home / "operator.token").read_text().strip()
        manifest = MANIFEST.read_text(encoding="utf-8").replace("http://127.0.0.1:8601", service.url)
        await api.post("/services", {"manifest": manifest, "api_key": service.key})

        async def listed() -> bool:
            return bool((await api.get("/services/sample_service"))["state"] == "listed")

        await eventually(listed)
        yield api


async def subscribe(market: MarketApi, slug: str) -> None:
    await market.post("/organizations", {"slug": slug, "name": slug})
    subscription: dict[str, Any] = {"organization": slug, "service_id": "sample_service", "plan": "basic"}
    subscription |= {"admin": {"email": "admin@school.kr", "name": "Kim"}, "config": {"max_users": 1}}
    started = await market.post("/subscriptions", subscription)
    ended = await market.ended(started["meta"]["operation"]["id"])
    assert (ended["state"], ended["error"]) == ("succeeded", None)


@pytest.mark.system
async def test_a_limit_that_is_reached_is_known_at_the_market(market: MarketApi, service: RunningService) -> None:
    for slug in ("hallym_univ", "snu_univ"):
        await subscribe(market, slug)
    key = {"X-Market-API-Key": service.key}
    for _ in range(2):
        invited = {"email": f"{secrets.token_hex(4)}@school.kr"}
        answer = await service.call("POST", "/mt/tenant/hallym_univ/users", json=invited, headers=key)
    assert (answer.status_code, answer.json()["error"]) == (403, "user_limit_reached")

    async def told() -> Any:
        return await market.get("/tenants/hallym_univ/events")

    [event] = await eventually(told)
    assert (event["type"], event["data"]) == ("tenant.limit_reached", {"limit": "max_users", "value": 1})
    assert await market.get("/tenants/snu_univ/events") == []
