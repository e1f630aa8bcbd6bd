"""Markets and services in processes of their own, and how tests wait for them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx2

DEADLINE = 60.0  # seconds until a test stops waiting for something that should have happened long ago

#: Settings under which a market notices a dead worker soon, and tries again soon.
QUICK = {
    "MARKET_WORKER__POLLING": "0.1",
    "MARKET_WORKER__HEARTBEAT": "0.3",
    "MARKET_WORKER__STALLED_AFTER": "1.2",
    "MARKET_WORKER__RESCUE_EVERY": "1",
    "MARKET_WORKER__GRACE": "5",
    "MARKET_PROVISIONING__LEASE": "1.5",
    "MARKET_PROVISIONING__FIRST_DELAY": "0.05",
    "MARKET_PROVISIONING__ATTEMPTS": "2",
    "MARKET_OUTGOING__TOTAL_TIMEOUT": "3",
}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def eventually(ask: Callable[[], Awaitable[Any]], *, every: float = 0.05) -> Any:
    """Ask until the answer is true, and return it."""
    until = asyncio.get_running_loop().time() + DEADLINE
    while True:
        answer = await ask()
        if answer:
            return answer
        assert asyncio.get_running_loop().time() < until, "it has not happened in time"
        await asyncio.sleep(every)


@dataclass
class Process:
    """A program that a test starts, talks to, and kills. Its output goes to a file."""

    command: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a session of its own."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MARKET_")}
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                [sys.executable, *self.command],
                env=inherited | self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.child is not None and self.child.poll() is None

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Send it a signal, and return its exit code when it has gone."""
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(how)
        return self.child.wait(30)

    async def died(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self.child is not None
        return await asyncio.to_thread(self.child.wait, DEADLINE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class RunningService:
    """One of the services in ``services/`` in a process of its own, on a port of its own."""

    key = "the-markets-key-0123456789"
    activation: ClassVar[dict[str, Any]] = {
        "tenant_id": "hallym_univ",
        "tenant_name": "Hallym",
        "plan": "basic",
        "admin": {"email": "admin@hallym.ac.kr", "name": "Hong"},
    }

    def __init__(self, name: str, folder: Path, database_url: str, prefix: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            "MT_API_KEYS": self.key,
            "MT_PUBLIC_URL": self.url,
            "MT_DATABASE_URL": database_url,
            "MT_TENANT_PREFIX": prefix,
            "MT_HOME": str(folder / "data"),
        }
        command = ["-m", "uvicorn", f"{name}.app:app", "--port", str(self.port)]
        self.process = Process(command, folder / f"{self.port}.log", environment)

    async def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Call it over a connection of its own."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=30) as client:
            return await client.request(method, path, **options)

    async def activate(self) -> httpx2.Response:
        """Activate the tenant ``hallym_univ``."""
        path = "/mt/tenant/hallym_univ/activate"
        return await self.call("POST", path, json=self.activation, headers={"X-Market-API-Key": self.key})

    async def ready(self) -> None:
        """Wait until it answers."""

        async def answers() -> bool:
            assert self.process.running, f"{self.name} ended:\n{self.process.log.read_text(encoding='utf-8')[-2000:]}"
            try:
                return (await self.call("GET", "/mt/health")).status_code == 200
            except httpx2.TransportError:
                return False

        await eventually(answers)


@dataclass
class MarketApi:
    """A caller of a market that listens on ``port``."""

    port: int
    token: str = ""

    async def call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Call the API over a connection of its own."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}/api/v1{path}", **request)

    async def get(self, path: str) -> Any:
        """Return the data at ``path``."""
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def post(self, path: str, body: Any = None) -> Any:
        """Do something, and return the whole answer."""
        answer = await self.call("POST", path, json=body if body is not None else {})
        assert answer.is_success, answer.text
        return answer.json()

    async def ready(self) -> None:
        """Wait until the market answers."""

        async def answers() -> bool:
            try:
                return (await self.call("GET", "/health")).status_code == 200
            except httpx2.ConnectError:
                return False

        await eventually(answers)

    async def ended(self, operation_id: str) -> Any:
        """Wait until the operation has ended, and return it."""

        async def look() -> Any:
            operation = await self.get(f"/operations/{operation_id}")
            return operation if operation["state"] in {"succeeded", "failed"} else None

        return await eventually(look)
