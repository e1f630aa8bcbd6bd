"""A real PgBouncer before the tests' server: the installed one, else Debian's, unpacked without installing it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

PACKAGES = ("pgbouncer", "libevent-2.1-7", "libc-ares2")
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
pool_mode = transaction
default_pool_size = 1
auth_type = scram-sha-256
auth_file = {folder}/users
auth_user = {user}
auth_query = SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pgbouncer(server: str, folder: Path, tools: Path) -> Iterator[str]:
    """Run one in transaction mode, with a single connection to each database; yield its ``host:port``.

    It asks the server for passwords as its superuser, whose URL is ``server``.
    """
    program, libraries = _program(tools)
    url = make_url(server)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        own = place.getsockname()[1]
    text = CONFIGURATION.format(host=url.host, port=url.port, own=own, folder=folder, user=url.username)
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "users").write_text(f'"{url.username}" "{url.password}"\n')
    command = [str(program), str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # which it refuses to run as
        for part in (folder, *folder.parents):
            if part.stat().st_uid == 0 and not part.stat().st_mode & 0o001:
                part.chmod(part.stat().st_mode | 0o011)
        for file in folder.iterdir():
            file.chmod(0o644)
        command[1:1] = ["-u", "nobody"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries)}
    log = folder / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
    try:
        _wait(own, process, log)
        yield f"127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait()


def _program(tools: Path) -> tuple[Path, Path]:
    installed = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed is not None:
        return Path(installed), Path(installed).parent
    root = tools / "pgbouncer"
    if not root.exists():
        unpacked = tools / f"pgbouncer.{os.getpid()}"
        unpacked.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=unpacked, check=True, capture_output=True)
        for package in unpacked.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(unpacked / "root")], check=True)
        try:
            unpacked.rename(root)
        except OSError:  # another run of the tests was faster
            shutil.rmtree(unpacked)
    [library] = (root / "root").rglob("libevent-2.1.so.7")
    return root / "root/usr/sbin/pgbouncer", library.parent


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(f"PgBouncer does not listen: {log.read_text()}")
