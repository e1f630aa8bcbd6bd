"""A PostgreSQL server as a program sees it: an address, databases, and whether it stops with its users.

:func:`resolve` gives the one that a program is to use.
"""

from __future__ import annotations

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from mt_paas.errors import ConfigurationError, DatabaseUnavailable, MissingExtraError
from mt_paas.postgres.binaries import MINIMUM_MAJOR

if TYPE_CHECKING:
    import psycopg

__all__ = ["ExternalPostgres", "PostgresServer", "resolve"]

_CONNECT_TIMEOUT = 10  # seconds


class PostgresServer(ABC):
    """A server to connect to; a context manager, ``async with`` too, that stops using it at the end.

    ``owned`` tells whether it runs only as long as somebody here uses it.
    """

    owned: bool

    @property
    @abstractmethod
    def _base_url(self) -> str:
        """The ``postgresql://`` URL of the server's default database."""

    @abstractmethod
    def start(self) -> Self:
        """Make sure that the server answers; return this server."""

    @abstractmethod
    def stop(self) -> None:
        """Stop using the server."""

    def url(self, database: str | None = None, driver: str | None = None) -> str:
        """Return the URL of ``database``, of the server's default one without it.

        ``driver="psycopg"`` gives SQLAlchemy's form, ``postgresql+psycopg://``. The URL holds the password.
        """
        authority, path, query = _split(self._base_url)
        if database is not None:
            path = "/" + quote(database, safe="")
        return f"postgresql{'+' + driver if driver else ''}://{authority}{path}{query}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create the database ``name``, as a copy of ``template`` (which nobody may be connected to) if given.

        Raises psycopg.errors.DuplicateDatabase when it is there already.
        """
        from psycopg import sql

        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement)

    def create_database_if_missing(self, name: str) -> bool:
        """Create the database ``name`` unless it is there; return whether this call created it."""
        with _connect(self.url()) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is not None:
            return False
        import psycopg

        try:
            self.create_database(name)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return False  # somebody else was faster; the second error is the same race, met a moment later
        return True

    def drop_database(self, name: str) -> None:
        """Drop the database ``name`` if it is there, and end the connections to it."""
        from psycopg import sql

        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: psycopg.sql.Composed) -> None:
        with _connect(self.url()) as connection:
            connection.execute(statement)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


class ExternalPostgres(PostgresServer):
    """A server that somebody else runs; it is only connected to.

    ``url`` may carry a SQLAlchemy driver (``postgresql+psycopg://``). The database that it names is the default one.
    """

    owned = False

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
            raise ConfigurationError(
                f"the database URL begins with {scheme + separator!r}: only PostgreSQL is supported; "
                "write postgresql://user:password@host:5432/database"
                if separator
                else "the database URL is not a URL; write postgresql://user:password@host:5432/database"
            )
        self._given_url = f"postgresql://{rest}"

    @property
    def _base_url(self) -> str:
        return self._given_url

    def start(self) -> Self:
        """Check that the server answers and is new enough; return this server.

        Raises DatabaseUnavailable when it can not be connected to, ConfigurationError when it is too old.
        """
        with _connect(self._given_url) as connection:
            version = connection.info.server_version
        if version // 10_000 < MINIMUM_MAJOR:
            raise ConfigurationError(
                f"the database URL leads to PostgreSQL {version // 10_000}; it must be {MINIMUM_MAJOR} or newer"
            )
        return self

    def stop(self) -> None:
        """Do nothing: the server is not ours."""


def resolve(home: Path, database_url: str | None = None) -> PostgresServer:
    """Return the PostgreSQL to use, ready: that of ``database_url``, of ``DATABASE_URL``, or an embedded one.

    ``home`` is the folder of the embedded server, and not touched when there is a URL. The call blocks until the server
    answers (a first start about 1.5 s, the next ones 0.1 s, a crash recovery as long as it takes): from a coroutine use
    ``await asyncio.to_thread(resolve, home)``. The caller stops the returned server.

    Raises ConfigurationError or DatabaseUnavailable, which say what to do.
    """
    if url := database_url or os.environ.get("DATABASE_URL"):
        return ExternalPostgres(url).start()
    if sys.platform == "win32":
        raise ConfigurationError("Windows has no embedded PostgreSQL: set DATABASE_URL, or use WSL")
    from mt_paas.postgres.embedded import EmbeddedPostgres

    return EmbeddedPostgres(home).start()


def _split(url: str) -> tuple[str, str, str]:
    """Return ``authority``, ``/path`` and ``?query``, as libpq divides them: a password may hold a # or a ?."""
    head = url.partition("://")[2]
    start = head.rfind("@") + 1
    ends = [position for mark in "/?" if (position := head.find(mark, start)) >= 0]
    end = min(ends, default=len(head))
    path, mark, query = head[end:].partition("?")
    return head[:end], path, mark + query


def _connect(url: str) -> psycopg.Connection:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("talking to PostgreSQL", "sqlalchemy") from error
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database can not be connected to: {error}") from error
    except psycopg.ProgrammingError:
        # Its text, and the traceback, may quote the password.
        raise ConfigurationError(
            "the database URL can not be read; write postgresql://user:password@host:5432/database, "
            "with special characters of the password percent-encoded"
        ) from None
