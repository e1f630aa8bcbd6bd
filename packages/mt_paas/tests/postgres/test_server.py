"""A server as a program sees it: addresses, databases, and the one door."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from mt_paas.errors import ConfigurationError, DatabaseUnavailable
from mt_paas.postgres import ExternalPostgres, PostgresServer, resolve


@pytest.fixture
def name(fresh_database: str, postgres_server: PostgresServer) -> Iterator[str]:
    """Return the name of a database that is not there."""
    name = fresh_database.rpartition("/")[2] + "_other"
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def old_server() -> Iterator[str]:
    """Return the URL of something that says that it is PostgreSQL 14."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(
                message(b"R", struct.pack("!i", 0))
                + message(b"S", b"server_version\x0014.20\x00")
                + message(b"S", b"client_encoding\x00UTF8\x00")
                + message(b"Z", b"I")
            )
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield f"postgresql://u@127.0.0.1:{listener.getsockname()[1]}/d?sslmode=disable&gssencmode=disable"
        thread.join()


class TestUrl:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("postgres://u:p@h/a", "postgresql://u:p@h/b"),
            ("postgresql+psycopg://u:p@h:5433/a?sslmode=require", "postgresql://u:p@h:5433/b?sslmode=require"),
            ("postgresql://u:p@h", "postgresql://u:p@h/b"),
            ("postgresql://u:p@h?sslmode=require", "postgresql://u:p@h/b?sslmode=require"),
            ("postgresql:///a?host=/run/postgresql", "postgresql:///b?host=/run/postgresql"),
            ("postgresql://u:p#%40?@[::1]:5432/a", "postgresql://u:p#%40?@[::1]:5432/b"),
            ("postgresql://h1:5432,h2:5433/a", "postgresql://h1:5432,h2:5433/b"),
        ],
    )
    def test_leads_to_another_database_of_the_same_server(self, given: str, expected: str) -> None:
        assert ExternalPostgres(given).url("b") == expected

    def test_without_a_name_leads_to_the_database_that_was_given(self) -> None:
        assert ExternalPostgres("postgres://u:p@h/a").url() == "postgresql://u:p@h/a"

    def test_names_the_driver_for_sqlalchemy(self) -> None:
        assert ExternalPostgres("postgresql://u:p@h/a").url("b", "psycopg") == "postgresql+psycopg://u:p@h/b"

    def test_quotes_the_name(self) -> None:
        assert ExternalPostgres("postgresql://h/a").url("a/b?c") == "postgresql://h/a%2Fb%3Fc"


class TestResolve:
    def test_uses_the_url_of_the_environment_and_leaves_the_home_alone(
        self, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", fresh_database)
        with resolve(tmp_path / "home") as server:
            assert server.url() == fresh_database
            assert not server.owned
        assert not (tmp_path / "home").exists()

    def test_prefers_the_argument_to_the_environment(
        self, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
        assert resolve(tmp_path / "home", fresh_database).url() == fresh_database

    def test_without_a_url_runs_an_embedded_server(self, used_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DATABASE_URL", raising=False)
        with resolve(used_home) as server:
            assert server.owned
            psycopg.connect(server.url()).close()

    @pytest.mark.parametrize("url", ["sqlite:///market.db", "mysql://u:p@h/d"])
    def test_refuses_another_kind_of_database(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="only PostgreSQL"):
            resolve(tmp_path, url)

    def test_refuses_what_is_no_url_without_repeating_it(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="is not a URL") as caught:
            resolve(tmp_path, "hunter2")
        assert "hunter2" not in str(caught.value)

    def test_refuses_a_malformed_url_without_repeating_its_password(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
            resolve(tmp_path, "postgresql://u:hunter2%zz@h/d")
        assert "hunter2" not in str(caught.value)

    def test_refuses_a_server_that_is_too_old(self, old_server: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="PostgreSQL 14; it must be 15 or newer"):
            resolve(tmp_path, old_server)

    def test_says_when_there_is_no_server(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(DatabaseUnavailable, match="can not be connected to"):
            resolve(tmp_path, f"postgresql://u:hunter2@127.0.0.1:{port}/d")


class TestDatabases:
    def test_a_missing_one_is_created_once(self, postgres_server: PostgresServer, name: str) -> None:
        assert postgres_server.create_database_if_missing(name)
        assert not postgres_server.create_database_if_missing(name)
        psycopg.connect(postgres_server.url(name)).close()

    def test_of_many_that_create_it_at_once_one_does(self, postgres_server: PostgresServer, name: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(lambda _: postgres_server.create_database_if_missing(name), range(8)))
        assert created.count(True) == 1

    def test_a_copy_has_the_tables_of_its_template(
        self, postgres_server: PostgresServer, fresh_database: str, name: str
    ) -> None:
        with psycopg.connect(fresh_database) as connection:
            connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
        postgres_server.create_database(name, template=fresh_database.rpartition("/")[2])
        with psycopg.connect(postgres_server.url(name)) as connection:
            assert connection.execute("SELECT text FROM note").fetchone() == ("kept",)

    def test_one_that_somebody_uses_is_dropped_all_the_same(self, postgres_server: PostgresServer, name: str) -> None:
        postgres_server.create_database(name)
        with psycopg.connect(postgres_server.url(name), autocommit=True) as connection:
            postgres_server.drop_database(name)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
