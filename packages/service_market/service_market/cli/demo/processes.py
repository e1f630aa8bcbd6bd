"""The demo's processes as the demo sees them: started by a keeper, polled until they answer, ended with the keeper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from service_market.cli import text
from service_market.cli.demo.databases import OwnDatabases
from service_market.cli.demo.keeper import Order, end_groups

__all__ = ["Processes", "Surprise"]

_PATIENCE = 60.0  # seconds for a process to answer
_LOOK = 0.05  # seconds between two looks


class Surprise(Exception):
    """Something was not as it must be. ``program`` names the process whose log tells more."""

    def __init__(self, what: str, program: str | None = None) -> None:
        super().__init__(what)
        self.program = program


class Processes:
    """The programs of an order, running for as long as the context lasts."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._started: dict[str, int] = {}
        self._exited: dict[str, int] = {}
        self._failure: str | None = None

    def __enter__(self) -> Self:
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "service_market.cli.demo.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._order.lock, *(program.listening for program in self._order.programs)),
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        assert self._keeper.stdin is not None  # noqa: S101 - it was asked for
        self._keeper.stdin.write(self._order.dump())
        self._keeper.stdin.flush()
        for program in self._order.programs:
            os.close(program.listening)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeper.stdin is not None  # noqa: S101 - it was asked for
        with suppress(BrokenPipeError):
            self._keeper.stdin.close()
        code = self._keeper.wait()
        self._listener.join()
        assert self._keeper.stdout is not None  # noqa: S101 - it was asked for
        self._keeper.stdout.close()
        if code != 0:  # somebody killed the keeper: its work is ours now
            end_groups(self._started.values(), _is_running)
            if self._order.server is not None:
                OwnDatabases(self._order.server, self._order.run).drop()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the programs that were started, and of their keeper."""
        return {**self._started, "keeper": self._keeper.pid}

    def wait_until_answered(self, program: str, url: str) -> None:
        """Return once ``url`` answers well. Raises :class:`Surprise` when a process ends, or is too slow."""
        import httpx2

        deadline = time.monotonic() + _PATIENCE
        with httpx2.Client(timeout=5.0, trust_env=False, verify=False) as http:
            while time.monotonic() < deadline:
                self.require_all()
                with suppress(httpx2.TransportError):
                    if http.get(url).is_success:
                        return
                time.sleep(_LOOK)
        raise Surprise(text.DEMO_SILENT(program=program, seconds=round(_PATIENCE)), program)

    def require_all(self) -> None:
        """Raise :class:`Surprise` when a process, or the keeper, is gone."""
        if self._failure is not None:
            raise Surprise(self._failure)
        for program, code in self._exited.items():
            raise Surprise(text.DEMO_ENDED(program=program, code=code), program)
        if self._keeper.poll() is not None:
            raise Surprise(text.DEMO_ENDED(program="keeper", code=self._keeper.returncode))

    def last_words(self, program: str, count: int = 15) -> list[str]:
        """Return the last lines that ``program`` said."""
        log = next(Path(each.log) for each in self._order.programs if each.name == program)
        try:
            return log.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _listen(self) -> None:
        assert self._keeper.stdout is not None  # noqa: S101 - it was asked for
        for line in self._keeper.stdout:
            self._note(json.loads(line))

    def _note(self, fact: dict[str, Any]) -> None:
        match fact["event"]:
            case "started":
                self._started[fact["name"]] = fact["pid"]
            case "exited":
                self._exited[fact["name"]] = fact["code"]
            case "failed":
                self._failure = fact["why"]


def _is_running(pid: int) -> bool:
    """Tell whether the process is there; it is not a child of this one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
