"""The demo's frame, with tiny programs: its folder, and processes that end with it, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from service_market.cli import text
from service_market.cli.demo.keeper import Order, Program
from service_market.cli.demo.place import Place, claim
from service_market.cli.demo.processes import Processes, Surprise
from service_market.cli.demo.show import _path_to_market
from service_market.cli.exits import ExitCode, Stop

SLEEPS = "import time; print('I am here', flush=True); time.sleep(1000)"
ENDS = "print('the last words'); raise SystemExit(7)"
DEADLINE = 30.0  # seconds until a test stops waiting for something that should have happened long ago


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A claimed and emptied folder."""
    with claim(tmp_path / "demo") as claimed:
        claimed.empty()
        yield claimed


def order(place: Place, **scripts: str) -> Order:
    """An order of Python programs by name."""
    programs = [
        Program(
            name,
            socket.create_server(("127.0.0.1", 0)).detach(),
            [sys.executable, "-c", script],
            {},
            str(place.log(name)),
        )
        for name, script in scripts.items()
    ]
    return Order(programs, place.lock, server=None, run="")


class TestCommandsToTry:
    def test_work_in_a_shell_that_does_not_know_the_environment(self, tmp_path: Path) -> None:
        """As after ``make demo``: the commands are typed as they are printed."""
        said = text.DEMO_STANDS(url="http://127.0.0.1:1", token="t", folder=tmp_path, path=_path_to_market())
        typed = "\n".join(line for line in said.splitlines() if line.startswith("  export"))
        ran = subprocess.run(
            ["/bin/sh", "-ec", f"{typed}\nmarket --version; market tenant list"],
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.stdout.startswith("market 0."), ran.stderr
        assert ran.returncode == ExitCode.NOT_ALLOWED
        assert str(tmp_path) in ran.stderr

    def test_are_no_longer_than_they_must_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
        assert _path_to_market() == ""


def eventually(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < until, "it has not happened in time"
        time.sleep(0.02)


def surprise_of(processes: Processes) -> Surprise:
    """Return the surprise that the processes turn into."""
    surprises: list[Surprise] = []

    def surprised() -> bool:
        try:
            processes.require_all()
        except Surprise as surprise:
            surprises.append(surprise)
        return bool(surprises)

    eventually(surprised)
    return surprises[0]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestPlace:
    def test_a_second_demo_goes_to_a_folder_inside_and_harms_nothing(self, place: Place, tmp_path: Path) -> None:
        (place.folder / "clock").write_text("5")
        with claim(tmp_path / "demo") as second:
            second.empty()
            assert second.folder == place.folder / "2"
        assert (place.folder / "clock").read_text() == "5"

    def test_the_next_demo_finds_its_folder_empty_but_for_what_runs_inside(self, tmp_path: Path) -> None:
        with claim(tmp_path) as first:
            first.empty()
            first.note_run("demo_1")
            with claim(tmp_path) as second:
                second.empty()
        with claim(tmp_path) as again:
            assert again.past_run == "demo_1"
            again.empty()
            assert again.past_run is None
            assert sorted(entry.name for entry in tmp_path.iterdir()) == ["2", "demo.lock", "logs"]

    def test_a_folder_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(Stop) as refused, claim(tmp_path):
            pytest.fail("it was given out")
        assert refused.value.code == ExitCode.USAGE
        assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


class TestProcesses:
    def test_end_with_the_demo(self, place: Place) -> None:
        with Processes(order(place, sleeps=SLEEPS)) as processes:
            eventually(lambda: processes.last_words("sleeps") == ["I am here"])
            pid = processes.pids["sleeps"]
            processes.require_all()
        assert not is_running(pid)

    def test_one_that_ends_by_itself_is_a_surprise_with_its_last_words(self, place: Place) -> None:
        with Processes(order(place, sleeps=SLEEPS, ends=ENDS)) as processes:
            surprise = surprise_of(processes)
        assert surprise.program == "ends"
        assert "7" in str(surprise)
        assert processes.last_words("ends") == ["the last words"]

    def test_a_program_that_can_not_be_started_is_a_surprise(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            missing = Program("missing", listening.detach(), ["/no/such/program"], {}, str(place.log("missing")))
        with Processes(Order([missing], place.lock, None, "")) as processes:
            assert "/no/such/program" in str(surprise_of(processes))

    def test_end_when_their_keeper_is_killed(self, place: Place) -> None:
        with Processes(order(place, sleeps=SLEEPS)) as processes:
            eventually(lambda: processes.last_words("sleeps") == ["I am here"])
            pid = processes.pids["sleeps"]
            os.kill(processes.pids["keeper"], signal.SIGKILL)
            assert "keeper" in str(surprise_of(processes))
        assert not is_running(pid)
