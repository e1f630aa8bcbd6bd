"""Fixtures that give tests a real PostgreSQL, with nothing to install or start first.

The server is that of ``MT_TEST_DATABASE_URL`` or ``DATABASE_URL`` (its user must be allowed to create databases), else
an embedded one without durability in the system's folder for temporary files. That one is shared by every test process
of this user, the workers of pytest-xdist too, and stops with the last of them.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mt_paas.postgres import PostgresServer

__all__ = ["fresh_database", "postgres_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return the PostgreSQL server of this test run, started."""
    from mt_paas.postgres import ExternalPostgres  # here: the plugin is loaded where no PostgreSQL is wanted too

    url = os.environ.get("MT_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if url:
        with ExternalPostgres(url) as server:
            yield server
    else:
        with _embedded() as server:
            _drop_left_overs(server)
            yield server


@pytest.fixture
def fresh_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the ``postgresql://`` URL of a new, empty database; it is dropped after the test, whoever is connected."""
    name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
    postgres_server.create_database(name)
    try:
        yield postgres_server.url(name)
    finally:
        postgres_server.drop_database(name)


def _embedded() -> PostgresServer:
    from mt_paas.postgres import EmbeddedPostgres  # here: it can not be imported on Windows

    home = Path(tempfile.gettempdir()) / f"mt-paas-test-{os.geteuid()}"
    if os.path.lexists(home) and home.lstat().st_uid != os.geteuid():  # everybody can guess the name
        raise pytest.UsageError(f"{home} belongs to another user: remove it, or set MT_TEST_DATABASE_URL")
    return EmbeddedPostgres(home, fast=True)


def _drop_left_overs(server: PostgresServer) -> None:
    """Drop the databases of test processes that were killed. Only for a server that this machine alone uses."""
    import psycopg

    with psycopg.connect(server.url()) as connection:
        names = [
            name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^test_\\d+_'")
        ]
    for name in names:
        try:
            os.kill(int(name.split("_")[1]), 0)
        except ProcessLookupError:
            server.drop_database(name)
