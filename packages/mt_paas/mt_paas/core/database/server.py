"""A PostgreSQL server as an administrator of databases sees it: addresses, existence, ownership marks, DDL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from mt_paas.core.database.names import quote
from mt_paas.errors import ConfigurationError

__all__ = [
    "Seen",
    "connect_alone",
    "connect_args",
    "database_mark",
    "drop_database",
    "literal",
    "look",
    "parse_url",
    "ping_when_idle",
    "role_mark",
    "run",
    "run_together",
    "through",
    "to_its_end",
]

Result = TypeVar("Result")

_CONNECT_SECONDS = 5
_IDLE_SECONDS = 1.0
_LOOK = text(
    "SELECT (SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :name),"
    " (SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = :name),"
    " EXISTS (SELECT FROM pg_database WHERE datname = :staging),"
    " ARRAY(SELECT datname::text FROM pg_database WHERE :spares <> '' AND starts_with(datname, :spares)"
    " AND datconnlimit <> -2 ORDER BY oid)"  # which is one whose DROP was cut off
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is on a server. Of a database and a role whom they belong to, as their comments say.

    That is "" without a comment, and null where there is none.
    """

    database: str | None
    role: str | None
    staging: bool
    spares: Sequence[str]


def parse_url(url: str) -> URL:
    """Return ``url`` for SQLAlchemy: psycopg, unless it names asyncpg. Raises ``ConfigurationError`` for any other."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "the database URL is not one; it looks like postgresql://user:password@host:5432/database"
        ) from None  # the error of SQLAlchemy quotes the URL, and with it the password
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"postgresql+psycopg", "postgresql+asyncpg"}:
        raise ConfigurationError(f"the database must be PostgreSQL by psycopg or asyncpg, not {parsed.drivername}")
    if not parsed.database:
        raise ConfigurationError("the database URL names no database; add /<name> at its end")
    return parsed


def connect_args(url: URL) -> dict[str, Any]:
    """Return what the driver of ``url`` is given so that it does not wait for a dead server for minutes.

    With psycopg a caller that is cancelled while it connects waits for the connection and closes it. Left half-open, it
    is a server process that no ``DROP DATABASE`` and no ``CREATE DATABASE`` gets past for a minute.
    """
    if url.drivername.endswith("asyncpg"):
        return {"timeout": _CONNECT_SECONDS}
    return {"connect_timeout": _CONNECT_SECONDS, "async_creator_fn": _connect_psycopg}


async def _connect_psycopg(*arguments: Any, **options: Any) -> Any:
    import psycopg

    connecting = asyncio.ensure_future(psycopg.AsyncConnection.connect(*arguments, **options))
    try:
        return await to_its_end(connecting)
    except asyncio.CancelledError:
        if not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()
        raise


async def to_its_end(opening: Awaitable[Result]) -> Result:
    """Wait for what opens a connection; a caller that is cancelled meanwhile is told when that is done.

    SQLAlchemy asks a new server about itself, and forgets a connection that is cut off while it does: it would stay
    open until the collector finds it.
    """
    task = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # once more: it is on its way already
                await asyncio.wait([task])
        raise


@asynccontextmanager
async def connect_alone(url: URL, *, autocommit: bool = False) -> AsyncIterator[AsyncConnection]:
    """Lend a connection that is in no pool, and is closed at the end."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    connection = (engine.execution_options(isolation_level="AUTOCOMMIT") if autocommit else engine).connect()
    try:
        await to_its_end(connection.start())
        yield connection
    finally:
        if connection.sync_connection is not None:
            await connection.close()


def ping_when_idle(engine: AsyncEngine) -> AsyncEngine:
    """Have ``engine`` try a connection before it lends one that was idle for a second; return it.

    Trying each time (``pool_pre_ping``) costs a round trip each time; a server takes longer than this to restart.
    """

    def returned(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def lent(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("idle_since", inf) > _IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error  # the pool opens another

    event.listen(engine.sync_engine, "checkin", returned)
    event.listen(engine.sync_engine, "checkout", lent)
    return engine


def through(url: URL, pooler: str | None) -> URL:
    """Return ``url`` by way of the pooler at ``host:port``, if there is one."""
    if pooler is None:
        return url
    host, _, port = pooler.rpartition(":")
    return url.set(host=host, port=int(port))


async def run(connection: AsyncConnection, *statements: str) -> None:
    """Execute statements that take no parameters, in order; what looks like a placeholder is left as it is."""
    for statement in statements:
        await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


async def run_together(connection: AsyncConnection, *statements: str) -> None:
    """Execute statements all or none, in one round trip, on a connection that is in autocommit."""
    await run(connection, "DO " + literal("".join(["BEGIN ", *(f"{statement}; " for statement in statements), "END"])))


def literal(value: str) -> str:
    """Return ``value`` as an SQL literal, for statements that take no parameters: DDL."""
    return "'" + value.replace("'", "''") + "'"


async def look(connection: AsyncConnection, name: str, *, staging: str = "", spares: str = "") -> Seen:
    """Return what there is on the server by ``name``, of a database ``staging``, and of what begins with ``spares``."""
    found = await connection.execute(_LOOK, {"name": name, "staging": staging, "spares": spares})
    return Seen(*found.one())


async def database_mark(connection: AsyncConnection, name: str) -> str | None:
    """Return whom the database belongs to, as its comment says: "" without a comment, null without a database."""
    return (await look(connection, name)).database


async def role_mark(connection: AsyncConnection, name: str) -> str | None:
    """Return whom the role belongs to, as its comment says: "" without a comment, null without a role."""
    return (await look(connection, name)).role


async def drop_database(connection: AsyncConnection, name: str) -> None:
    """Drop the database if it is there, whoever is connected."""
    await run(connection, f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")
