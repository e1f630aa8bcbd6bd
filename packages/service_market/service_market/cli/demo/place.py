"""The folder of a demo: taken by one demo at a time, emptied at the start, never anybody else's.

A demo that finds the folder taken by a running one goes to a numbered folder inside it. The lock is held by the demo,
by its keeper and by every process that it started: a folder is free when all of them are gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop

__all__ = ["Place", "claim"]

_LOCK = "demo.lock"
_MOST = 20  # demos at once


@dataclass(frozen=True)
class Place:
    """A folder that is this demo's own for as long as ``lock`` is open."""

    folder: Path
    lock: int

    @property
    def clock(self) -> Path:
        """The file of seconds by which the market's calendar is moved."""
        return self.folder / "clock"

    @property
    def past_run(self) -> str | None:
        """The name of the run before, if it left something on a database server."""
        try:
            return (self.folder / "run").read_text()
        except FileNotFoundError:
            return None

    def log(self, program: str) -> Path:
        """Return the file of what ``program`` says."""
        return self.folder / "logs" / f"{program}.log"

    def note_run(self, name: str) -> None:
        """Write down what this run's databases are called, before there are any."""
        (self.folder / "run").write_text(name)

    def empty(self) -> None:
        """Delete what the run before left here, and make the folders of this one."""
        for entry in self.folder.iterdir():
            if entry.name == _LOCK or entry.name.isdecimal():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (self.folder / "logs").mkdir()


@contextmanager
def claim(home: Path) -> Iterator[Place]:
    """Give a place in ``home`` that no other demo uses.

    Raises :class:`~service_market.cli.exits.Stop` where ``home`` holds what no demo made, or can not be written.
    """
    home = home.absolute()
    try:
        if home.exists() and any(home.iterdir()) and not (home / _LOCK).exists():
            raise Stop(ExitCode.USAGE, text.NOT_A_DEMO(folder=home))
        place = _first_free(home)
    except OSError as error:
        raise Stop(ExitCode.FAILED, text.FILE_UNUSABLE(file=error.filename or home, why=error.strerror)) from None
    try:
        yield place
    finally:
        os.close(place.lock)


def _first_free(home: Path) -> Place:
    for folder in (home, *(home / str(number) for number in range(2, _MOST + 1))):
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)  # an embedded server of root runs as somebody else
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return Place(folder, lock)
    raise Stop(ExitCode.FAILED, text.TOO_MANY_DEMOS(folder=home))
