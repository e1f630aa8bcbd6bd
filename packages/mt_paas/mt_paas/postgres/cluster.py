"""The data folder of an embedded server and the settings that it runs with.

A data folder appears whole or not at all: ``initdb`` works beside it, and the result is moved into place.
"""

from __future__ import annotations

import locale
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from mt_paas.errors import ConfigurationError, DatabaseUnavailable
from mt_paas.postgres.placement import Placement

__all__ = ["ENVIRONMENT", "command", "initialise", "made_by", "password"]

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # A statement whose client is gone, cut off in the middle, ends soon: it would keep its locks until it is done.
    "client_connection_check_interval": "1s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement and the DETAIL of its error hold tenants' data and passwords; the log keeps neither.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
_FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def made_by(data: Path) -> int | None:
    """Return the major version of PostgreSQL that made ``data``, None when there is nothing yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def password(file: Path, *, data: Path) -> str:
    """Return the superuser's password, kept in ``file``; make one for a new server.

    Raises ConfigurationError when there are data whose password is lost.
    """
    try:
        return file.read_text()
    except FileNotFoundError:
        if made_by(data) is not None:
            raise ConfigurationError(
                f"{file}, the password of the data in {data}, is gone: restore it from a backup, or move the data away"
            ) from None
    fresh = secrets.token_urlsafe(24)
    partial = file.with_suffix(".new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
        target.write(fresh)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(file)
    _sync(file.parent)
    return fresh


def initialise(placement: Placement, binaries: Path, superuser_password: str, *, lock: int, fast: bool) -> None:
    """Make the data folder. ``lock`` is a descriptor that ``initdb`` inherits, so that the lock lives as long as it.

    Raises DatabaseUnavailable with what ``initdb`` said.
    """
    folder = placement.data.parent
    for partial in folder.glob("initdb-*"):
        shutil.rmtree(partial)
    staging = Path(tempfile.mkdtemp(prefix="initdb-", dir=folder))
    try:
        password_file = staging / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(superuser_password)
        placement.own(password_file)
        placement.own(staging)
        arguments = [
            *(f"--pgdata={staging / 'data'}", f"--pwfile={password_file}", "--username=postgres"),
            *("--auth=scram-sha-256", "--encoding=UTF8", f"--locale={_locale()}", "--data-checksums"),
        ]
        answer = subprocess.run(  # noqa: S603 the initdb that find_binaries chose
            [binaries / "initdb", *arguments, *(["--no-sync"] if fast else [])],
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            umask=0o077,
            user=placement.uid,
            group=placement.gid,
            extra_groups=None if placement.uid is None else [],
            check=False,
        )
        if answer.returncode != 0:
            said = "\n".join(answer.stdout.decode(errors="replace").strip().splitlines()[-10:])
            raise DatabaseUnavailable(f"a new database could not be made in {folder}; initdb said:\n{said}")
        (staging / "data").rename(placement.data)
        _sync(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def command(placement: Placement, binaries: Path, *, port: int, socket: Path, fast: bool) -> list[str]:
    """Return the command line that runs the server in the foreground."""
    settings = {**_SETTINGS, **(_FAST_SETTINGS if fast else {}), "port": port, "unix_socket_directories": socket}
    line = [str(binaries / "postgres"), "-D", str(placement.data)]
    for name, value in settings.items():
        line += ["-c", f"{name}={value}"]
    return line


def _sync(folder: Path) -> None:
    """Make a rename in ``folder`` outlive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locale() -> str:
    """Return C.UTF-8, by which upper() and sorting know more than ASCII, or C on a system without it."""
    previous = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, previous)
    return "C.UTF-8"
