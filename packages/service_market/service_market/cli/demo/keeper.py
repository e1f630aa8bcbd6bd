"""The keeper: a process that has the demo's processes as its children, and ends them when the demo is gone.

The demo holds the other end of the keeper's standard input. However the demo ends, ``kill -9`` too, that pipe closes,
and the keeper ends every child with its process group and drops the run's databases. It gets its :class:`Order` as the
first line of that input (never as arguments, which everybody can read: it holds keys), and tells on its standard
output, a JSON object a line, what started and what exited.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

__all__ = ["Order", "Program", "end_groups"]

_LOOK = 0.1  # seconds between two looks at the children
_GRACE = 60.0  # seconds for a clean end: a database that is stopped writes everything down first
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """A process to start: its command line, its whole environment, and the file of what it says.

    ``listening`` is the descriptor of the socket that it serves; the demo has bound it, so that nobody else takes the
    port while the program starts.
    """

    name: str
    listening: int
    command: list[str]
    environment: dict[str, str]
    log: str


@dataclass(frozen=True)
class Order:
    """What a keeper keeps. ``lock`` is a descriptor that each program inherits; ``server`` has databases of ``run``."""

    programs: list[Program]
    lock: int
    server: str | None
    run: str

    def dump(self) -> bytes:
        """Return the order as the line that the keeper reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def load(cls, line: bytes) -> Order:
        """Return the order of a line."""
        given = json.loads(line)
        return cls(**{**given, "programs": [Program(**program) for program in given["programs"]]})


def end_groups(groups: Iterable[int], is_alive: Callable[[int], bool]) -> None:
    """End process groups: asked first, and after a while made to."""
    groups = list(groups)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while any(is_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(_LOOK / 2)
    _signal(groups, signal.SIGKILL)


def main() -> int:
    """Keep what the order says until the demo's end of the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A terminal tells the demo, and the demo's end tells the keeper. Not SIG_IGN: children would inherit it.
        signal.signal(number, lambda *_: None)
    order = Order.load(sys.stdin.buffer.readline())
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        _create_databases(order)
        for program in order.programs:
            children[program.name] = child = _start(program, order.lock)
            os.close(program.listening)
            _tell(event="started", name=program.name, pid=child.pid)
        _watch(children)
    except Exception as error:  # noqa: BLE001 - the demo shows it
        _tell(event="failed", why=str(error) or type(error).__name__)
        _watch({})
    finally:
        end_groups(
            (child.pid for child in children.values()),
            lambda pid: any(child.pid == pid and child.poll() is None for child in children.values()),
        )
        _drop_databases(order)
    return 0


def _start(program: Program, lock: int) -> subprocess.Popen[bytes]:
    with open(program.log, "wb") as log:  # noqa: PTH123 - pathlib takes longer to import than this process lives idle
        return subprocess.Popen(  # noqa: S603 - the demo's own programs
            program.command,
            env=program.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock, program.listening),
            start_new_session=True,
            # The keeper has one thread, so what runs between fork and exec can not meet a lock that is held.
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - see above
        )


def _watch(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Tell of children that exit, until the demo's end of the pipe closes."""
    waiting = dict(children)
    while not select.select([sys.stdin], [], [], _LOOK)[0]:
        for name, child in list(waiting.items()):
            if child.poll() is not None:
                del waiting[name]
                _tell(event="exited", name=name, code=child.returncode)


def _end_with_parent() -> None:
    """Have the kernel end this child when the keeper is killed; the signal survives ``exec``."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _create_databases(order: Order) -> None:
    if order.server is not None:
        from service_market.cli.demo.databases import OwnDatabases

        OwnDatabases(order.server, order.run).create()


def _drop_databases(order: Order) -> None:
    if order.server is not None:
        from service_market.cli.demo.databases import OwnDatabases

        OwnDatabases(order.server, order.run).drop()


def _tell(**fact: object) -> None:
    with suppress(BrokenPipeError):  # the demo is gone
        sys.stdout.write(json.dumps(fact) + "\n")
        sys.stdout.flush()


def _signal(groups: Iterable[int], number: int) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
