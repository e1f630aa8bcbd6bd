"""``market demo`` as people run it: the whole story, and nothing of it left behind."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mt_paas.postgres import EmbeddedPostgres, PostgresServer

DEMO = [sys.executable, "-m", "service_market.cli", "demo"]
DEADLINE = 100.0  # seconds until a test stops waiting for something that should have happened long ago
STEPS = 12


def environment(**changed: str) -> dict[str, str]:
    """The environment without settings that are meant for another market."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MARKET_", "MT_", "LC_", "LANG")) and name not in {"DATABASE_URL", "COLUMNS"}
    }
    return kept | {"LANG": "C.UTF-8", **changed}


def processes_of(marker: str) -> list[str]:
    """The command lines of processes that were started with ``marker`` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found


def eventually(happened: Callable[[], Any]) -> Any:
    """Ask until the answer is true, and return it."""
    until = time.monotonic() + DEADLINE
    while not (answer := happened()):
        assert time.monotonic() < until, "it has not happened in time"
        time.sleep(0.1)
    return answer


@pytest.fixture
def marker() -> Iterator[str]:
    """A word in the environment of everything that a test starts, by which it is found again."""
    made = f"demo-of-a-test-{secrets.token_hex(8)}"
    yield made
    eventually(lambda: not processes_of(made))


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that no other test makes databases on meanwhile."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("server")) as server:
        yield server


def databases_of(server: PostgresServer) -> set[str]:
    """The names of the demo's databases and roles."""
    query = (
        "SELECT datname FROM pg_database WHERE datname LIKE 'demo\\_%'"
        " UNION SELECT rolname FROM pg_roles WHERE rolname LIKE 'demo\\_%' OR rolname LIKE '%\\_sample\\_service'"
    )
    with psycopg.connect(server.url()) as connection:
        return {name for (name,) in connection.execute(query)}


class TestDemo:
    def test_shows_every_step_and_leaves_nothing_running(self, tmp_path: Path, marker: str) -> None:
        ran = subprocess.run(
            [*DEMO, "--once", "--home", str(tmp_path)],
            env=environment(MARKER=marker),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        steps = [line for line in ran.stderr.splitlines() if line.startswith("✓")]
        assert len(steps) == STEPS
        rows = [line.split() for line in ran.stdout.splitlines()[2:]]
        assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
            ("hallym_univ", "sample_service", "active", "2"),
            ("hallym_univ_plain_service", "plain_service", "active", "2"),
            ("snu_univ", "sample_service", "active", "2"),
            ("snu_univ_plain_service", "plain_service", "purged", "0"),
        ]
        assert processes_of(marker) == []

    def test_killed_without_warning_ends_its_processes_and_drops_its_databases(
        self, tmp_path: Path, marker: str, own_server: PostgresServer
    ) -> None:
        before = databases_of(own_server)
        url = own_server.url()
        with subprocess.Popen(
            [*DEMO, "--home", str(tmp_path)],
            env=environment(MARKER=marker, DATABASE_URL=url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as demo:
            assert demo.stderr is not None
            for line in demo.stderr:
                if "subscribed" in line:
                    break
            assert databases_of(own_server) > before
            assert len(processes_of(marker)) == 5  # the demo, its keeper, the market and two services
            demo.send_signal(signal.SIGKILL)
        eventually(lambda: not processes_of(marker))
        assert databases_of(own_server) == before

    def test_stands_beside_another_one_until_ctrl_c(self, tmp_path: Path, marker: str) -> None:
        with (tmp_path / "demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # as a demo that runs already
            with subprocess.Popen(
                [*DEMO, "--home", str(tmp_path), "--lang", "ko"],
                env=environment(MARKER=marker),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as demo:
                assert demo.stderr is not None
                said = []
                for line in demo.stderr:
                    said.append(line)
                    if "Ctrl-C" in line:
                        break
                demo.send_signal(signal.SIGINT)
                said += demo.stderr.readlines()
        assert demo.returncode == 0, said
        assert len([line for line in said if line.startswith("✓")]) == STEPS
        assert any(str(tmp_path / "2" / "operator.token") in line for line in said)
        assert processes_of(marker) == []
        assert [entry.name for entry in tmp_path.iterdir() if entry.name != "2"] == ["demo.lock"]

    def test_never_empties_a_folder_that_is_not_a_demos(self, tmp_path: Path, marker: str) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        ran = subprocess.run(
            [*DEMO, "--once", "--home", str(tmp_path)],
            env=environment(MARKER=marker),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert ran.returncode == 2
        assert str(tmp_path) in ran.stderr
        assert (tmp_path / "thesis.txt").read_text() == "years of work"
