"""The program that runs one PostgreSQL: starts it, starts it again when it dies, stops it when nobody uses it.

It is run as a file by a bare interpreter (``python -I -S supervisor.py ORDER``), detached from the process that starts
it, and knows the standard library only. ``ORDER`` is a :class:`Order` as JSON; it holds no secret.

Two locks (``flock``: the kernel gives them back on any death) carry the whole protocol.

- The *server lock* was taken by the starter, and is inherited by this program and by every process of PostgreSQL. Who
  can take it knows that none of them is left, and may touch the data folder.
- The *users lock* is held, shared, by every process that uses the server. This program asks for it exclusively once a
  second: it gets it when the last user is gone, and stops the server. A user that asks while it is stopping is refused,
  and waits.

So that nobody waits for that second, a user that finds itself the last one writes a byte to the pipe ``stop``. (Not a
signal: it needs a pid, and one of another container is somebody else's here.)

Why not PR_SET_PDEATHSIG from the application: it is tied to the thread that forks, is missing on macOS, and ties the
server to one of its users. Here it only guards the death of this program itself, on Linux.

Standard output speaks to the starter: closed without a word, the server is ready; a text says why it is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_FAST_SHUTDOWN = signal.SIGINT  # to a postmaster: end every session, then stop
_PR_SET_PDEATHSIG = 1
_STARTING_POLL = 0.02  # seconds
_USERS_POLL = 1.0  # seconds: a server outlives its last user by up to this
_RESTART_DELAY_MAX = 5.0  # seconds


@dataclasses.dataclass(frozen=True)
class Order:
    """What to run: ``command``, as ``user`` and ``group`` (None: as oneself); ``run`` is published once it is ready."""

    command: list[str]
    environment: dict[str, str]
    user: int | None
    group: int | None
    data: str
    log: str
    users_lock: str
    stop_pipe: str
    server_lock_fd: int
    run_file: str
    run: dict[str, str | int]


class Supervisor:
    """One PostgreSQL and its life."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._stopping = False
        self._published = False
        self._users = os.open(order.users_lock, os.O_RDWR | os.O_CLOEXEC)
        self._log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stop_order = os.open(order.stop_pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake, wakeup = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the starter may have blocked some

    def run(self) -> int:
        """Run the server until it is no longer wanted; return an exit code."""
        delay = 0.0
        while True:
            was_ready = self._serve()
            if self._stopping:
                return 0
            if not self._published:
                sys.stdout.write("the server ended while it started")
                return 1
            if not Path(self._order.data, "PG_VERSION").exists():
                return 1
            delay = 0.1 if was_ready else min(2 * delay, _RESTART_DELAY_MAX)
            self._write(f"the server ended unexpectedly; it is started again in {delay:.1f} s")
            self._wait(delay)

    def _serve(self) -> bool:
        """Run one postmaster to its end; return whether it became ready."""
        ready = asked = False
        stale = self._lock_file_stamp()
        child = self._spawn()
        try:
            while child.poll() is None:
                if not ready and self._lock_file_stamp() != stale and self._is_ready(child.pid):
                    ready = True
                    self._publish()
                self._stopping = self._stopping or self._is_unused()
                if self._stopping and not asked:
                    asked = True
                    child.send_signal(_FAST_SHUTDOWN)
                self._wait(_USERS_POLL if ready else _STARTING_POLL)
        finally:
            if child.returncode is None:  # this program is at fault, or the disk is full
                child.send_signal(_FAST_SHUTDOWN)
                child.wait()
        return ready

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = dict(self._order.environment)
        with contextlib.suppress(FileNotFoundError):
            # The pid in a left-over lock file may belong to somebody else by now. PostgreSQL ignores the one that it
            # is told is its grandparent's; the server lock has shown that no postmaster is left. (Patroni's trick.)
            environment["PG_GRANDPARENT_PID"] = self._postmaster_pid_file()[0]
        return subprocess.Popen(  # noqa: S603 the postgres that find_binaries chose
            self._order.command,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(self._order.server_lock_fd,),
            umask=0o077,
            user=self._order.user,
            group=self._order.group,
            extra_groups=None if self._order.user is None else [],
            preexec_fn=_death_signal(),  # noqa: PLW1509 this program has one thread
        )

    def _lock_file_stamp(self) -> tuple[int, int] | None:
        """Tell one writing of the lock file from another: in a new container the pid in a left-over one is the same."""
        try:
            status = Path(self._order.data, "postmaster.pid").stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = self._postmaster_pid_file()
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def _postmaster_pid_file(self) -> list[str]:
        return Path(self._order.data, "postmaster.pid").read_text().split("\n")

    def _publish(self) -> None:
        """Write the run file, and let the starter go."""
        if self._published:
            return
        target = Path(self._order.run_file)
        fresh = target.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({**self._order.run, "supervisor": os.getpid()}, file)
        fresh.replace(target)
        self._published = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(self._log, 2)
        os.close(null)

    def _is_unused(self) -> bool:
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, seconds: float) -> None:
        """Sleep until the time is over, or a signal or the order to stop comes."""
        woken, _, _ = select.select([self._wake, self._stop_order], [], [], seconds)
        for descriptor in woken:
            os.read(descriptor, 4096)
        self._stopping = self._stopping or self._stop_order in woken

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk may be what the text is about
            os.write(self._log, f"supervisor: {text}\n".encode())


def _death_signal() -> Callable[[], None] | None:
    """Return what a child does first so that a death of this program stops it; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def stop_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, _FAST_SHUTDOWN)
        if os.getppid() != parent:
            os._exit(1)

    return stop_with_parent


def main() -> int:
    """Detach from the starter, so that it has no child to reap, and supervise."""
    order = Order(**json.loads(sys.argv[1]))
    if os.fork():
        os._exit(0)
    try:
        return Supervisor(order).run()
    finally:
        shutil.rmtree(str(order.run["socket"]), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
