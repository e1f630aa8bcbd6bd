"""A PostgreSQL of our own in a folder, kept running by whoever uses it.

The folder ("home") holds::

    users.lock    held, shared, by every process that uses the server
    server.lock   held by the supervisor and by every process of PostgreSQL (see supervisor.py, which has the protocol)
    stop          a named pipe: the last user orders the supervisor to stop
    run.json      where the running server is; written when it is ready, removed before the next start
    password      of the superuser ``postgres``, made once
    data          PostgreSQL's data folder, or a link to it (see placement.py)
    server.log    what PostgreSQL and the supervisor say

The files are readable by their owner only.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, NamedTuple, Self

from mt_paas.errors import ConfigurationError, DatabaseUnavailable, MtPaasError
from mt_paas.postgres import cluster, supervisor
from mt_paas.postgres.binaries import find_binaries
from mt_paas.postgres.placement import Placement, place
from mt_paas.postgres.server import PostgresServer

__all__ = ["EmbeddedPostgres"]

_POLL = 0.02  # seconds
_PROGRESS = 5.0  # seconds between two lines of log while waiting
_STOP_TIMEOUT = 60.0  # seconds
_LOG_LIMIT = 10_000_000  # bytes
_PORT_ATTEMPTS = 3

_log = logging.getLogger(__name__)


class _Run(NamedTuple):
    """Where the running server is."""

    port: int
    socket: str
    supervisor: int


class EmbeddedPostgres(PostgresServer):
    """The PostgreSQL of the folder ``home``, which is made if need be.

    Any number of processes of one user may :meth:`start` it: the first starts the server, the others join, and it is
    stopped when the last of them has called :meth:`stop` or has ended, by ``kill -9`` too (within about a second). A
    server that dies in between is started again, at the same port. Processes that were forked (not executed) by a user
    count as users as long as they live.

    ``fast`` gives up durability for speed: for tests only. ``binaries`` names the folder of ``initdb`` and
    ``postgres``; see :func:`mt_paas.postgres.find_binaries`. Both count for the process that starts the server.
    """

    owned = True

    def __init__(self, home: Path, *, fast: bool = False, binaries: Path | None = None) -> None:
        self.home = Path(home).absolute()
        self._fast = fast
        self._binaries = binaries
        self._users: IO[bytes] | None = None
        self._run: _Run | None = None
        self._password = ""
        self._process = 0
        self._abandoned = threading.Event()

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.home)!r}, {'started' if self._run else 'not started'})"

    @property
    def _base_url(self) -> str:
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._running.port}/postgres"

    @property
    def socket_directory(self) -> Path:
        """The folder of the Unix socket, in a short path: ``host=`` of a connection by socket."""
        return Path(self._running.socket)

    @property
    def log_file(self) -> Path:
        """What PostgreSQL said."""
        return self.home / "server.log"

    def start(self) -> Self:
        """Join the server of this home, or start it, and return when it answers. Started already: do nothing.

        Raises ConfigurationError (no programs, a folder that can not be written) or DatabaseUnavailable (the server
        did not start; with the last lines of its log).
        """
        if self._users is not None:
            return self
        try:
            self.home.parent.mkdir(parents=True, exist_ok=True)
            # A server that root runs as another user must get through this folder; its files stay private.
            self.home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
            users = self._open("users.lock")
            try:
                self._run = self._join_or_launch(users)
                self._password = (self.home / "password").read_text()
            except BaseException:
                users.close()
                raise
        except OSError as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL can not use {error.filename or self.home}: {error.strerror}; its folder "
                f"({self.home}) must be yours, writable and with 100 MB free: choose another, or set DATABASE_URL"
            ) from error
        self._users = users
        self._process = os.getpid()
        return self

    def stop(self, *, timeout: float = _STOP_TIMEOUT) -> None:
        """Stop using the server; as the last of its users, stop it and wait until it has ended.

        Nothing is lost when that takes longer than ``timeout`` seconds: the server goes on stopping by itself.
        """
        if self._users is None:
            return
        with self._users as users:
            self._users = self._run = None
            if self._process != os.getpid():
                return  # a forked copy: to close it is right, but its lock is the parent's
            if _try_lock(users, fcntl.LOCK_EX):
                # The last one. While this lock is held no other process can come to rely on the server.
                if not self._order_stop():
                    return  # there is no supervisor any more
            elif _try_lock(users, fcntl.LOCK_SH):
                return  # others go on using it
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline and not self._is_stopped():
                time.sleep(_POLL)

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._abandoned.set()
            with suppress(MtPaasError):
                await starting
            self._abandoned.clear()
            self.stop(timeout=0)
            raise

    @property
    def _running(self) -> _Run:
        if self._run is None:
            raise ConfigurationError(f"the embedded PostgreSQL of {self.home} is not started: call start() first")
        return self._run

    def _open(self, name: str) -> IO[bytes]:
        return os.fdopen(os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")

    def _order_stop(self) -> bool:
        """Tell the supervisor to stop; return whether there is one."""
        try:
            pipe = os.open(self.home / "stop", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # nobody reads it, or the folder was removed
            return False
        os.write(pipe, b"x")
        os.close(pipe)
        return True

    def _is_stopped(self) -> bool:
        """Return whether no process of the server is left; a folder that was removed has none."""
        try:
            with self._open("server.lock") as server_lock:
                return _try_lock(server_lock, fcntl.LOCK_EX)
        except FileNotFoundError:
            return True

    def _join_or_launch(self, users: IO[bytes]) -> _Run:
        since = time.monotonic()
        while True:
            # With the shared lock no running server is stopped any more; without it, one is stopping right now.
            if _try_lock(users, fcntl.LOCK_SH):
                with self._open("server.lock") as server_lock:
                    if _try_lock(server_lock, fcntl.LOCK_EX):
                        return self._launch(server_lock)
                if (run := self._read_run()) and _answers(run.port):
                    return run
            time.sleep(_POLL)
            since = self._go_on(since)

    def _go_on(self, since: float) -> float:
        """Say now and then what is waited for; return when that was said last. Raises when the caller gave up."""
        if self._abandoned.is_set():
            raise DatabaseUnavailable("nobody waits for the embedded PostgreSQL any more")
        if time.monotonic() - since < _PROGRESS:
            return since
        _log.info("waiting for the PostgreSQL in %s: %s", self.home, self._log_tail(0, lines=1))
        return time.monotonic()

    def _launch(self, server_lock: IO[bytes]) -> _Run:
        """Start the server. The caller holds both locks: nothing runs, and nobody else starts it."""
        last = self._read_run()
        (self.home / "run.json").unlink(missing_ok=True)
        if last is not None:
            shutil.rmtree(last.socket, ignore_errors=True)
        if not (self.home / "stop").exists():
            os.mkfifo(self.home / "stop", 0o600)
        placement = place(self.home)
        binaries = find_binaries(self._binaries, major=cluster.made_by(placement.data))
        binaries = placement.readable(binaries)
        password = cluster.password(self.home / "password", data=placement.data)
        if cluster.made_by(placement.data) is None:
            cluster.initialise(placement, binaries, password, lock=server_lock.fileno(), fast=self._fast)
        with suppress(FileNotFoundError):
            if (placement.data / "postmaster.pid").stat().st_size == 0:  # what a crash of the machine can leave
                (placement.data / "postmaster.pid").unlink()
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.rename(self.log_file.with_suffix(".log.1"))
        port = last.port if last is not None and _is_free(last.port) else _free_port()
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            try:
                return self._supervise(placement, binaries, server_lock.fileno(), port)
            except DatabaseUnavailable:
                if not attempts_left or _is_free(port):
                    raise
                port = _free_port()  # somebody else took it in between
        raise AssertionError("the last attempt returns or raises")

    def _supervise(self, placement: Placement, binaries: Path, server_lock_fd: int, port: int) -> _Run:
        """Start the supervisor, which takes over the server lock, and wait until the server is ready."""
        socket_directory = Path(tempfile.mkdtemp(prefix="mt-pg-", dir="/tmp"))
        placement.own(socket_directory)
        order = supervisor.Order(
            command=cluster.command(placement, binaries, port=port, socket=socket_directory, fast=self._fast),
            environment=cluster.ENVIRONMENT,
            user=placement.uid,
            group=placement.gid,
            data=str(placement.data),
            log=str(self.log_file),
            users_lock=str(self.home / "users.lock"),
            stop_pipe=str(self.home / "stop"),
            server_lock_fd=server_lock_fd,
            run_file=str(self.home / "run.json"),
            run={"port": port, "socket": str(socket_directory)},
        )
        log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with subprocess.Popen(  # noqa: S603 this interpreter, and a file beside this one
            [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(asdict(order))],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(server_lock_fd,),
            umask=0o077,
            start_new_session=True,
        ) as process:
            if process.stdout is None:
                raise AssertionError("stdout is a pipe")
            said = self._listen(process.stdout)
        run = self._read_run()
        if said or run is None:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL of {self.home} did not start: {said or 'its supervisor was killed'}; "
                f"the end of {self.log_file}:\n{self._log_tail(log_start, lines=15)}"
            )
        return run

    def _listen(self, pipe: IO[bytes]) -> str:
        """Return what the supervisor says until it closes the pipe."""
        said = b""
        since = time.monotonic()
        while True:
            if not select.select([pipe], [], [], _POLL)[0]:
                since = self._go_on(since)
                continue
            if not (more := os.read(pipe.fileno(), 4096)):
                return said.decode(errors="replace").strip()
            said += more

    def _read_run(self) -> _Run | None:
        try:
            return _Run(**json.loads((self.home / "run.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # not there, or half there after a crash of the machine
            return None

    def _log_tail(self, start: int, *, lines: int) -> str:
        """Return the last ``lines`` that were written to the log after the offset ``start``."""
        with suppress(FileNotFoundError), self.log_file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(start, size - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        return ""


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does: TIME_WAIT is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    """Return whether a PostgreSQL at ``port`` asks for a password: it accepts connections, and is not stopping."""
    parameters = b"user\0postgres\0database\0postgres\0\0"
    startup = struct.pack("!ii", 8 + len(parameters), 3 << 16) + parameters
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(startup)
        return connection.recv(1) == b"R"  # an authentication request; an error is E
    return False
