"""The five commands of the tutorial, typed as they stand there, end in a full report; and what it breaks is told."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "five-commands.md"


@pytest.fixture
def port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        found: int = place.getsockname()[1]
        return found


@pytest.fixture
def commands(port: int) -> list[str]:
    """The lines of the page's first console, for a port that is free."""
    console = re.search(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert console is not None
    lines = [line.removeprefix("$ ") for line in console[1].splitlines()]
    return [line.replace("8000", str(port)) for line in lines]


class Shell:
    """A shell in which somebody follows the tutorial; what they start in the background ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: list[subprocess.Popen[str]] = []

    def type(self, lines: list[str]) -> tuple[int, str]:
        """Type the lines, and return the exit code of the last with all that was printed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MT_", "DATABASE_"))}
        environment = clean | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        shell = subprocess.Popen(
            ["bash", "-c", "\n".join(lines)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.groups.append(shell)
        said = []
        assert shell.stdout is not None
        for line in shell.stdout:
            said.append(line)
            if line.startswith("exit code "):
                return int(line.rsplit(maxsplit=1)[-1]), "".join(said)
        return shell.wait(), "".join(said)

    def end(self) -> None:
        """End whatever was started."""
        for shell in self.groups:
            with suppress(ProcessLookupError):  # nothing was left running
                os.killpg(shell.pid, signal.SIGTERM)
            shell.communicate()
        self.groups.clear()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.end()


@pytest.mark.timeout(300)
def test_five_commands_end_in_a_full_report(shell: Shell, commands: list[str]) -> None:
    assert len(commands) == 5
    code, said = shell.type([*commands, 'echo "exit code $?"'])
    assert code == 0, said
    score = re.search(r"Score: (\d+)/(\d+) \(100%\)", said)
    assert score is not None, said
    assert score[0] in PAGE.read_text(encoding="utf-8"), f"the page shows another score than {score[0]}"


@pytest.mark.timeout(300)
def test_what_the_page_breaks_is_told(shell: Shell, commands: list[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    lie = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    told = re.search(r"❌ users\.delete .*", page)
    assert lie is not None
    assert told is not None
    init, change_folder, read, serve, test = commands
    assert shell.type([init])[0] == 0
    app = shell.folder / "demo" / "app.py"
    text = app.read_text(encoding="utf-8").replace("metadata=metadata)\n", "metadata=metadata, handler=Forgetful)\n")
    app.write_text(text.replace("app = FastAPI", f"{lie[1]}\n\napp = FastAPI"), encoding="utf-8")
    code, said = shell.type([change_folder, read, serve, f"{test} --only users", 'echo "exit code $?"'])
    assert code == 1, said
    assert told[0] in " ".join(said.split())


@pytest.mark.timeout(300)
def test_the_tests_that_were_written_pass(shell: Shell, commands: list[str]) -> None:
    init, change_folder, *_ = commands
    code, said = shell.type([init, change_folder, "pytest -q -p no:cacheprovider", 'echo "exit code $?"'])
    assert code == 0, said
    assert re.search(r"\d{3} passed", said), said
