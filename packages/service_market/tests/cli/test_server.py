"""``market up``, ``worker`` and ``migrate`` as processes: what they leave behind, and what they say if they can not."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service_market.cli.exits import ExitCode

if TYPE_CHECKING:
    from conftest import RunningMarket, Tutor


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket on a port of the test's own."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


class TestUp:
    def test_leaves_the_operators_token_to_its_owner_alone(self, running: RunningMarket) -> None:
        file = running.home / "operator.token"
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text().startswith("mtp_")

    def test_a_second_process_shares_the_market_and_puts_a_token_of_another_aside(
        self, running: RunningMarket, school: str, listening: socket.socket, tmp_path: Path
    ) -> None:
        (tmp_path / "operator.token").write_text("mtp_of_another_market\n")
        shutil.copy(running.home / "secret.key", tmp_path)
        port = listening.getsockname()[1]
        options = ("--no-worker", "--fd", str(listening.fileno()), "--home", str(tmp_path))
        with running.start("up", *options, pass_fds=[listening.fileno()]) as second:
            assert second.stderr is not None
            said = [second.stderr.readline() for _ in range(5)]
            assert str(tmp_path / "operator.token.mtp_of_a") in said[0]
            assert f"http://127.0.0.1:{port}" in said[1]
            assert "market worker" in said[3]
            found = running.data("organization", "list", "--url", f"http://127.0.0.1:{port}", "--home", str(tmp_path))
            assert school in {each["slug"] for each in found}
            second.send_signal(signal.SIGTERM)
            assert second.stderr.read() == "Stopped.\n"
        assert second.returncode == ExitCode.DONE
        assert (tmp_path / "operator.token").read_text() not in "".join(said)
        assert (tmp_path / "operator.token.mtp_of_a").read_text() == "mtp_of_another_market\n"

    def test_a_port_in_use_is_one_sentence(self, running: RunningMarket) -> None:
        port = running.url.rpartition(":")[2]
        said = _refused(running, "up", "--port", port)
        assert f"Port {port} of 127.0.0.1 is in use" in said

    def test_a_database_that_is_away_is_one_sentence_without_its_password(self, running: RunningMarket) -> None:
        url = "postgresql://somebody:the-password@127.0.0.1:9/mgmt_db"
        said = _refused(running, "migrate", DATABASE_URL=url)
        assert "127.0.0.1" in said
        assert "the-password" not in said
        assert "Connection refused Is the server running" in said

    def test_a_database_that_is_not_there_is_one_sentence_that_says_how_to_make_it(
        self, running: RunningMarket, fresh_database: str
    ) -> None:
        said = _refused(running, "migrate", DATABASE_URL=fresh_database + "_that_is_not_there")
        assert said.endswith("_that_is_not_there\n")
        assert "Make it first, with: createdb " in said

    def test_a_secret_key_that_does_not_fit_the_database_is_one_sentence_and_nothing_is_made(
        self, running: RunningMarket, listed: Tutor, tmp_path: Path
    ) -> None:
        for command in ("up", "worker"):
            said = _refused(running, command, "--home", str(tmp_path))
            assert f"{tmp_path / 'secret.key'}, which is not there" in said
            assert "market forget-sealed" in said
        assert [each.name for each in tmp_path.iterdir()] == ["manifest.yaml"]
        assert running.finish("forget-sealed", "--home", str(tmp_path)).returncode == ExitCode.USAGE
        running.data("service", "verify", "fake_tutor")

    def test_a_home_that_can_not_be_one_is_one_sentence(self, running: RunningMarket, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert str(tmp_path / "file") in _refused(running, "worker", "--home", str(tmp_path / "file"))

    def test_settings_that_are_wrong_are_all_told(self, running: RunningMarket) -> None:
        said = _refused(running, "up", code=ExitCode.USAGE, MARKET_LOG_LEVEL="LOUD", MARKET_WORKER__CONCURRENCY="0")
        assert "MARKET_LOG_LEVEL: " in said
        assert "MARKET_WORKER__CONCURRENCY: it must be at least 1" in said
        assert "MARKET_OUTGOING__ALLOW: it must be JSON" in _refused(
            running, "up", code=ExitCode.USAGE, MARKET_OUTGOING__ALLOW="10.20.0.0/16"
        )


class TestMigrate:
    def test_says_from_where_to_where_and_then_that_there_is_nothing_to_do(
        self, running: RunningMarket, fresh_database: str
    ) -> None:
        first, second = (running.finish("migrate", DATABASE_URL=fresh_database) for _ in range(2))
        assert first.returncode == second.returncode == ExitCode.DONE
        assert first.stderr.startswith("The schema went from nothing to ")
        assert second.stderr.startswith("The schema is at ")


class TestWorker:
    def test_works_until_it_is_told_to_stop(self, running: RunningMarket) -> None:
        with running.start("worker") as worker:
            assert worker.stderr is not None
            assert worker.stderr.readline() == "The worker runs. Ctrl-C ends it.\n"
            worker.send_signal(signal.SIGINT)
            assert worker.stderr.read().endswith("Stopped.\n")
        assert worker.returncode == ExitCode.DONE


def _refused(running: RunningMarket, *arguments: str, code: ExitCode = ExitCode.FAILED, **environment: str) -> str:
    """Give a command that must refuse to run; return the one sentence that it said."""
    ran: subprocess.CompletedProcess[str] = running.finish(*arguments, **environment)
    assert ran.returncode == code, ran.stderr
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    return ran.stderr
