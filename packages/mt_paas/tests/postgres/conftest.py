"""Homes for servers, and real processes that use them and can be killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pytest
from mt_paas.postgres import EmbeddedPostgres

DEADLINE = 60.0  # seconds: how long a test waits for what must happen, on a very slow machine

USER_PROGRAM = """
import sys
from pathlib import Path
from mt_paas.postgres import EmbeddedPostgres
home, fast = sys.argv[1:]
with EmbeddedPostgres(Path(home), fast=bool(fast)) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds()``; fail, naming ``what``, when it does not come true."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"did not come true: {what}"
        time.sleep(0.02)


def is_stopped(home: Path) -> bool:
    """Return whether no process of the server of ``home`` is left: its lock can be taken."""
    with (home / "server.lock").open("r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class UserProcess:
    """A process that uses the server of ``home`` until it is told to leave, or killed.

    ``container`` puts it into a world of its own pids, as its first process: everything in there dies with it.
    """

    def __init__(self, home: Path, *, fast: bool = True, container: bool = False) -> None:
        unshare = ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self.process = subprocess.Popen(
            [*(unshare if container else []), sys.executable, "-c", USER_PROGRAM, str(home), "fast" if fast else ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def url(self) -> str:
        """The URL that the process printed, once it has."""
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        assert url, "the process ended before its server was ready"
        return url

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(DEADLINE) == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Tools:
    """What a test of the embedded server needs besides the server."""

    UserProcess = UserProcess
    eventually = staticmethod(eventually)
    is_stopped = staticmethod(is_stopped)

    @staticmethod
    def scalar(url: str, query: str) -> object:
        """Return the only value that ``query`` gives."""
        with psycopg.connect(url) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    @staticmethod
    def postmaster(home: Path) -> int:
        return int((home / "data" / "postmaster.pid").read_text().split("\n")[0])

    @classmethod
    def kill_every_process(cls, home: Path, url: str) -> None:
        """Kill the postmaster of ``home`` and all its children, without a warning."""
        with psycopg.connect(url) as connection:
            children = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
        for pid in [cls.postmaster(home), *children]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it went with the postmaster


@pytest.fixture
def tools() -> type[Tools]:
    return Tools


@contextmanager
def new_home() -> Iterator[Path]:
    """Give a folder for a server that does not exist yet, where any user may pass, and remove it afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="mt-postgres-"))
    parent.chmod(0o711)
    home = parent / "home"
    try:
        yield home
        if (home / "server.lock").exists():
            eventually(lambda: is_stopped(home), f"the server of {home} stops with its last user")
    finally:
        data = home / "data"
        if data.is_symlink():
            shutil.rmtree(data.readlink().parent)
        if (home / "run.json").exists():  # a killed supervisor leaves the folder of its socket
            shutil.rmtree(json.loads((home / "run.json").read_text())["socket"], ignore_errors=True)
        shutil.rmtree(parent)


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder for a server that does not exist yet."""
    with new_home() as home:
        yield home


@pytest.fixture(scope="session")
def home_of_the_session() -> Iterator[Path]:
    with new_home() as home:
        EmbeddedPostgres(home, fast=True).start().stop()
        yield home


@pytest.fixture
def used_home(home_of_the_session: Path) -> Iterator[Path]:
    """Return the folder of a server that ran before and is stopped; the tests share it to save time."""
    yield home_of_the_session
    eventually(lambda: is_stopped(home_of_the_session), "the server stops with its last user")
