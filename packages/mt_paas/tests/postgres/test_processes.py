"""Several processes, one server: who starts it, who keeps it, and what deaths do to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, Self

import psycopg
import pytest
from mt_paas.postgres import EmbeddedPostgres

pytestmark = pytest.mark.system

STARTED = "SELECT pg_postmaster_start_time()"


class TestSharing:
    def test_many_that_start_at_once_have_one_server(self, home: Path, tools: Any) -> None:
        with ExitStack() as stack:
            users = [stack.enter_context(tools.UserProcess(home)) for _ in range(4)]
            assert len({user.url for user in users}) == 1
            assert len({tools.scalar(user.url, STARTED) for user in users}) == 1

    def test_the_server_stays_while_one_uses_it_and_goes_with_the_last(self, used_home: Path, tools: Any) -> None:
        with tools.UserProcess(used_home) as first, tools.UserProcess(used_home) as second:
            started = tools.scalar(first.url, STARTED)
            assert second.url == first.url
            first.leave()
            assert tools.scalar(second.url, STARTED) == started
            second.leave()
            assert tools.is_stopped(used_home)

    def test_it_goes_with_the_last_though_that_is_killed(self, used_home: Path, tools: Any) -> None:
        with tools.UserProcess(used_home) as first, tools.UserProcess(used_home) as second:
            assert second.url == first.url
            first.kill()
            psycopg.connect(second.url).close()
            second.kill()
            tools.eventually(lambda: tools.is_stopped(used_home), "the server stops")

    def test_it_stops_cleanly_then(self, used_home: Path, tools: Any) -> None:
        with tools.UserProcess(used_home) as user:
            assert user.url
            user.kill()
        tools.eventually(lambda: tools.is_stopped(used_home), "the server stops")
        assert "database system is shut down" in (used_home / "server.log").read_text()

    def test_a_user_that_comes_while_the_last_one_goes_has_a_server(self, used_home: Path) -> None:
        for _ in range(3):
            last = EmbeddedPostgres(used_home, fast=True).start()
            with ThreadPoolExecutor(1) as pool:
                going = pool.submit(last.stop)
                with EmbeddedPostgres(used_home, fast=True) as newcomer:
                    psycopg.connect(newcomer.url()).close()
                    going.result()
                    psycopg.connect(newcomer.url()).close()

    def test_a_user_that_comes_while_it_is_healed_waits(self, used_home: Path, tools: Any) -> None:
        with EmbeddedPostgres(used_home, fast=True):
            os.kill(tools.postmaster(used_home), signal.SIGKILL)
            with EmbeddedPostgres(used_home, fast=True) as newcomer:
                psycopg.connect(newcomer.url()).close()


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


class Writers:
    """Threads that insert numbers into a table, and know which of them the server has acknowledged."""

    def __init__(self, url: str) -> None:
        self.acknowledged: list[int] = []
        self._url = url
        self._stop = Event()

    def __enter__(self) -> Self:
        with psycopg.connect(self._url) as connection:
            connection.execute("DROP TABLE IF EXISTS written; CREATE TABLE written (number bigint)")
        self._pool = ThreadPoolExecutor(4)
        self._results = [self._pool.submit(self._write, start) for start in range(4)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for result in self._results:
            result.result()

    def _write(self, start: int) -> None:
        number = start
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    while not self._stop.is_set():
                        number += 4
                        connection.execute("INSERT INTO written VALUES (%s)", [number])
                        self.acknowledged.append(number)
            except psycopg.OperationalError:
                continue  # the server died; whether that number was written, nobody knows

    def lost(self, url: str) -> set[int]:
        with psycopg.connect(url) as connection:
            return set(self.acknowledged) - {number for (number,) in connection.execute("SELECT number FROM written")}


class TestDeaths:
    def test_of_every_process_of_the_server_lose_nothing_and_are_healed(self, used_home: Path, tools: Any) -> None:
        with EmbeddedPostgres(used_home) as server:
            with Writers(server.url()) as writers:
                for _ in range(2):
                    before = len(writers.acknowledged)
                    tools.eventually(lambda seen=before: len(writers.acknowledged) > seen + 100, "rows are written")
                    tools.kill_every_process(used_home, server.url())
                    tools.eventually(lambda: answers(server.url()), "the server is back, at the same address")
            assert writers.lost(server.url()) == set()

    def test_of_the_postmaster_alone_are_healed(self, used_home: Path, tools: Any) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            os.kill(tools.postmaster(used_home), signal.SIGKILL)
            tools.eventually(lambda: answers(server.url()), "the server is back, at the same address")

    def test_of_one_backend_are_healed(self, used_home: Path, tools: Any) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            with psycopg.connect(server.url()) as connection:
                os.kill(connection.info.backend_pid, signal.SIGKILL)
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("SELECT 1")
            tools.eventually(lambda: answers(server.url()), "the server is back, at the same address")

    def test_of_the_only_user_while_it_writes_lose_nothing(self, used_home: Path, tools: Any) -> None:
        with tools.UserProcess(used_home, fast=False) as user, Writers(user.url) as writers:
            tools.eventually(lambda: len(writers.acknowledged) > 100, "rows are written")
            user.kill()
            tools.eventually(lambda: tools.is_stopped(used_home), "the server stops")
        with EmbeddedPostgres(used_home) as server:
            assert writers.lost(server.url()) == set()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
    def test_of_the_supervisor_stop_the_server_and_leave_the_folder_to_the_next(
        self, used_home: Path, tools: Any
    ) -> None:
        with EmbeddedPostgres(used_home, fast=True):
            os.kill(json.loads((used_home / "run.json").read_text())["supervisor"], signal.SIGKILL)
            tools.eventually(lambda: tools.is_stopped(used_home), "the server stops")
            with EmbeddedPostgres(used_home, fast=True) as next_one:
                psycopg.connect(next_one.url()).close()

    def test_in_the_middle_of_initdb_are_cleaned_up(self, home: Path, tools: Any) -> None:
        with tools.UserProcess(home) as user:
            tools.eventually(lambda: any(home.glob("initdb-*/data/PG_VERSION")), "initdb is at work")
            user.kill()
        assert not (home / "data").exists()
        with EmbeddedPostgres(home, fast=True) as server:
            psycopg.connect(server.url()).close()
        assert not any(home.glob("initdb-*"))

    def test_and_a_recycled_pid_in_the_lock_file_are_no_obstacle(
        self, used_home: Path, tools: Any, server_user: dict[str, Any]
    ) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            supervisor = json.loads((used_home / "run.json").read_text())["supervisor"]
            os.kill(supervisor, signal.SIGSTOP)  # it must see nothing of what follows
            tools.kill_every_process(used_home, server.url())
            os.kill(supervisor, signal.SIGKILL)
            tools.eventually(lambda: tools.is_stopped(used_home), "the server is gone")
        with subprocess.Popen(["/bin/sleep", "600"], **server_user) as stranger:
            lock_file = used_home / "data" / "postmaster.pid"
            lines = lock_file.read_text().split("\n")
            lock_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
            try:
                with EmbeddedPostgres(used_home, fast=True) as server:
                    psycopg.connect(server.url()).close()
            finally:
                assert stranger.poll() is None
                stranger.kill()


@pytest.fixture
def server_user(used_home: Path) -> Iterator[dict[str, Any]]:
    """Return how to start a process as the user that runs the server."""
    if os.geteuid() != 0:
        yield {}
        return
    with EmbeddedPostgres(used_home, fast=True):
        owner = (used_home / "data").stat()
    yield {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


class TestTheCommand:
    def test_prints_the_url_and_serves_until_it_is_told_to_stop(self, used_home: Path, tools: Any) -> None:
        command = [sys.executable, "-m", "mt_paas.postgres", str(used_home), "--fast"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            psycopg.connect(process.stdout.readline().strip()).close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert process.stdout.read() == ""
        assert tools.is_stopped(used_home)

    def test_says_why_it_can_not(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        command = [sys.executable, "-m", "mt_paas.postgres", str(tmp_path / "file")]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == 1
        assert answer.stderr.startswith("the embedded PostgreSQL can not use")
