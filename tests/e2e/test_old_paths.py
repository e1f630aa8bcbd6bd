"""A service that was never rewritten, registered by its manifest alone and driven through the life of a tenant."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql

from tests.e2e.processes import QUICK, MarketApi, Process, eventually, free_port

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "adapt-an-existing-service.md"
KEY = "the-key-of-the-old-service-1"
ADMIN = {"email": "admin@hallym.ac.kr", "name": "홍길동"}
DAY = 86_400


@dataclass
class Town:
    """A market and the old service, each a process, and what each of them keeps."""

    api: MarketApi
    folder: Path
    database_url: str
    service_url: str

    def rows(self) -> str:
        """Return everything in the market's database, as text."""
        with psycopg.connect(self.database_url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            found = [
                row
                for (name,) in tables
                for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
            ]
        return "\n".join(found)

    def tenant_there(self) -> dict[str, Any]:
        """Return the tenant as the old service has it."""
        with sqlite3.connect(self.folder / "old.sqlite") as database:
            database.row_factory = sqlite3.Row
            return dict(database.execute("SELECT * FROM tenant").fetchone())

    def move_calendar(self, days: int) -> None:
        """Let so many days pass for the market."""
        fresh = self.folder / "clock.new"
        fresh.write_text(str(days * DAY))
        fresh.replace(self.folder / "clock")

    async def do(self, verb: str, **body: Any) -> Any:
        """Ask for something to be done to the tenant, and return the ended operation."""
        answer = await self.api.post(f"/tenants/hallym_univ/{verb}", body)
        operation = answer["meta"].get("operation") or answer["data"]
        return await self.api.ended(operation["id"])

    async def state(self) -> str:
        return str((await self.api.get("/tenants/hallym_univ"))["state"])


@pytest.fixture
async def town(tmp_path: Path, fresh_database: str) -> AsyncIterator[Town]:
    market_port, service_port = free_port(), free_port()
    env = {
        **QUICK,
        "MARKET_HOME": str(tmp_path / "home"),
        "MARKET_CLOCK_FILE": str(tmp_path / "clock"),
        "DATABASE_URL": fresh_database,
    }
    script = str(Path(__file__).with_name("old_paths_service.py"))
    old = Process([script, str(service_port), str(tmp_path / "old.sqlite")], tmp_path / "old.log", {"API_KEY": KEY})
    market = Process(["-m", "service_market.cli", "up", "--port", str(market_port)], tmp_path / "market.log", env)
    with ExitStack() as stack:
        stack.enter_context(old)
        stack.enter_context(market)
        made = Town(MarketApi(market_port), tmp_path, fresh_database, f"http://127.0.0.1:{service_port}")
        await made.api.ready()
        await eventually(lambda: _answers(made.service_url))
        made.api.token = (tmp_path / "home" / "operator.token").read_text().strip()
        yield made


async def _answers(url: str) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"{url}/api/health")).status_code == 200
        except httpx2.TransportError:
            return False


def register(town: Town) -> subprocess.CompletedProcess[str]:
    """Register the service as the page says, with the manifest that stands there."""
    manifest = town.folder / "manifest.yaml"
    manifest.write_text(re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[0])
    command = [sys.executable, "-m", "service_market.cli", "service", "register", str(manifest)]
    environment = {
        **os.environ,
        "MARKET_SERVICE_KEY": KEY,
        "MARKET_URL": f"http://127.0.0.1:{town.api.port}",
        "MARKET_TOKEN": town.api.token,
    }
    command += ["--base-url", town.service_url]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.system
@pytest.mark.timeout(300)
async def test_a_service_with_old_paths_is_driven_by_its_manifest_alone(town: Town) -> None:
    registered = register(town)
    assert registered.returncode == 0, registered.stderr
    assert (await town.api.get("/services/llm_chatbot"))["state"] == "listed"

    await town.api.post("/organizations", {"slug": "hallym_univ", "name": "한림대학교"})
    wanted = {"organization": "hallym_univ", "service_id": "llm_chatbot", "plan": "premium", "admin": ADMIN}
    started = await town.api.post("/subscriptions", {**wanted, "term_months": 1})
    activated = await town.api.ended(started["meta"]["operation"]["id"])
    assert activated["state"] == "succeeded", activated
    tenant = await town.api.get("/tenants/hallym_univ")
    assert (tenant["state"], tenant["access_url"]) == ("active", f"{town.service_url}/chat/hallym_univ")
    passwords = [town.tenant_there()["password"]]

    town.move_calendar(days=32)
    assert (await town.api.post("/subscriptions/sweep"))["data"]["expired"] == 1
    assert await eventually(lambda: _is(town, "deactivated"))
    there = town.tenant_there()
    assert (there["state"], there["notes"]) == ("deactivated", "the first note")

    back = await town.do("reactivate", renew_months=12)
    assert back["state"] == "succeeded", back
    assert (await town.state(), town.tenant_there()["notes"]) == ("active", "the first note")
    passwords.append(town.tenant_there()["password"])

    assert (await town.do("deactivate"))["state"] == "succeeded"
    purged = await town.do("purge")
    assert purged["state"] == "succeeded", purged
    assert purged["result"]["service_answered"] == "200 deactivated, data_preserved: false"
    assert (await town.state(), town.tenant_there()["notes"]) == ("purged", None)

    kept = town.rows() + (town.folder / "market.log").read_text() + (town.folder / "old.log").read_text()
    assert "hallym_univ" in kept
    assert len(set(passwords)) == 2
    for secret in (*passwords, KEY, "temp_password"):
        assert secret not in kept
    link = await town.api.call("POST", "/tenants/hallym_univ/setup-link")
    assert not link.is_success  # a password is not handed on either


async def _is(town: Town, state: str) -> bool:
    return await town.state() == state
