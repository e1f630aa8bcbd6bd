"""Fixtures of the command line's tests: a real market in a process of its own, a service, and a caller of commands."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mt_paas.postgres import PostgresServer
from mt_paas.testing.behaviours import rightly
from mt_paas.testing.doubles import FakeService
from mt_paas.testing.serving import serve
from service_market.cli import text
from service_market.cli.application import app
from typer.testing import CliRunner, Result

DEADLINE = 60.0  # seconds until a test stops waiting for something that should have happened long ago
MARKET = [sys.executable, "-m", "service_market.cli"]
QUICK = {"MARKET_WORKER__POLLING": "0.1", "MARKET_PROVISIONING__ATTEMPTS": "1", "MARKET_WORKER__GRACE": "5"}


def eventually(happened: Callable[[], Any]) -> Any:
    """Ask until the answer is true, and return it."""
    until = time.monotonic() + DEADLINE
    while not (answer := happened()):
        assert time.monotonic() < until, "it has not happened in time"
        time.sleep(0.05)
    return answer


def clean_environment(**changed: str) -> dict[str, str]:
    """The environment without anything that is meant for another market."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MARKET_", "LC_", "LANG")) and name != "DATABASE_URL"
    }
    return kept | {"LANG": "C.UTF-8", **changed}


@dataclass
class RunningMarket:
    """A market in a process of its own, and how commands are given to it."""

    url: str
    home: Path
    environment: dict[str, str]
    runner: CliRunner = field(default_factory=CliRunner)

    def run(self, *arguments: str, **environment: str | None) -> Result:
        """Give a command and return what came of it."""
        own: dict[str, str | None] = {"MARKET_URL": self.url, "MARKET_HOME": str(self.home), **environment}
        return self.runner.invoke(app, list(arguments), env=own)

    def start(self, *arguments: str, pass_fds: Sequence[int] = ()) -> subprocess.Popen[str]:
        """Give a command to a process of its own, for a test that sends it signals."""
        return subprocess.Popen(
            [*MARKET, *arguments],
            env=self.environment | {"MARKET_URL": self.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )

    def finish(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Give a command to a process of its own, and return it when it has ended."""
        return subprocess.run(
            [*MARKET, *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def data(self, *arguments: str) -> Any:
        """Give a command that must work, with ``--json``; return what it printed."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def _an_english_desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test meets the settings of whoever runs it, and no language outlives a test."""
    for name in list(os.environ):
        if name.startswith(("MARKET_", "LC_", "LANG")):
            monkeypatch.delenv(name)
    yield
    text.speak(None)


@pytest.fixture(scope="session")
def running(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market that all these tests share: API and worker in one process, on a database of its own."""
    home, database = tmp_path_factory.mktemp("market"), f"test_cli_{os.getpid()}_{secrets.token_hex(4)}"
    postgres_server.create_database(database)
    environment = clean_environment(DATABASE_URL=postgres_server.url(database), MARKET_HOME=str(home), **QUICK)
    log = home / "market.log"
    with log.open("wb") as output, socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [*MARKET, "up", "--fd", str(listening.fileno())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=output,
            pass_fds=[listening.fileno()],
        )
    try:
        url = eventually(lambda: _address_in(log, process))
        yield RunningMarket(url, home, environment)
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0, log.read_text()
        postgres_server.drop_database(database)


def _address_in(log: Path, process: subprocess.Popen[bytes]) -> str | None:
    said = log.read_text()
    assert process.poll() is None, said
    words = said.partition("Service Market is at ")[2].split()
    return words[0] if words else None


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[FakeService, str, asyncio.AbstractEventLoop]]:
    """A service on a thread of its own."""
    ready: list[tuple[FakeService, str]] = []
    started, loop = threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def main() -> None:
        service = FakeService(service_id="fake_tutor")
        async with serve(service) as url:
            ready.append((service, url))
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert started.wait(DEADLINE)
    yield (*ready[0], loop)
    loop.call_soon_threadsafe(end.set)
    thread.join(DEADLINE)
    loop.close()


@dataclass
class Tutor:
    """A service, and the file of its manifest."""

    service: FakeService
    manifest: Path
    base_url: str
    loop: asyncio.AbstractEventLoop

    @property
    def key(self) -> str:
        return self.service.api_key

    def has_reported(self) -> None:
        """Wait until every event that the service has told was taken, or was not."""
        asyncio.run_coroutine_threadsafe(self.service.events_posted(), self.loop).result(DEADLINE)


@pytest.fixture
def tutor(_served: tuple[FakeService, str, asyncio.AbstractEventLoop], tmp_path: Path) -> Iterator[Tutor]:
    """A service that answers rightly until a test tells it otherwise."""
    service, url, loop = _served
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(json.dumps(service.manifest(url).model_dump(mode="json", exclude_none=True), indent=2))
    yield Tutor(service, manifest, url, loop)
    for operation in ("health", "activate", "deactivate", "status"):
        service.behave(rightly, on=operation)  # type: ignore[arg-type]  # the four words are its operations


@pytest.fixture
def listed(running: RunningMarket, tutor: Tutor) -> Tutor:
    """The same, in the catalogue."""
    running.data("service", "register", str(tutor.manifest), "--key", tutor.key)
    return tutor


@pytest.fixture
def school(running: RunningMarket) -> str:
    """The slug of a school of the test's own."""
    slug = f"school_{secrets.token_hex(4)}"
    running.data("organization", "create", slug, "한림대학교")
    return slug


@pytest.fixture
def tenant(running: RunningMarket, listed: Tutor, school: str) -> str:
    """The id of an active tenant of the test's own."""
    made = running.data("subscribe", school, listed.service.service_id, "basic", "--admin-email", "kim@hallym.ac.kr")
    return str(made["tenant_id"])
