"""A PostgreSQL server as an administrator of databases sees it: addresses, existence, ownership marks, DDL."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.names import quote
from mt_paas.errors import ConfigurationError

__all__ = ["connect_args", "database_mark", "drop_database", "literal", "parse_url", "role_mark", "run", "run_together"]

_CONNECT_SECONDS = 5


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
    """Return what the driver of ``url`` is given so that it does not wait for a dead server for minutes."""
    return {"timeout" if url.drivername.endswith("asyncpg") else "connect_timeout": _CONNECT_SECONDS}


async def run(connection: AsyncConnection, *statements: str) -> None:
    """Execute statements that take no parameters, in order."""
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def run_together(connection: AsyncConnection, *statements: str) -> None:
    """Execute statements in one transaction, on a connection that is in autocommit otherwise."""
    await run(connection, "BEGIN")
    try:
        await run(connection, *statements)
    except BaseException:
        with suppress(SQLAlchemyError):  # of a connection that broke: then the server has rolled back already
            await run(connection, "ROLLBACK")
        raise
    await run(connection, "COMMIT")


def literal(value: str) -> str:
    """Return ``value`` as an SQL literal, for statements that take no parameters: DDL."""
    return "'" + value.replace("'", "''") + "'"


async def database_mark(connection: AsyncConnection, name: str) -> str | None:
    """Return whom the database belongs to, as its comment says: "" without a comment, null without a database."""
    return await _mark(connection, "SELECT oid, datname AS name FROM pg_database", "pg_database", name)


async def role_mark(connection: AsyncConnection, name: str) -> str | None:
    """Return whom the role belongs to, as its comment says: "" without a comment, null without a role."""
    return await _mark(connection, "SELECT oid, rolname AS name FROM pg_roles", "pg_authid", name)


async def drop_database(connection: AsyncConnection, name: str) -> None:
    """Drop the database if it is there, whoever is connected."""
    await run(connection, f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")


async def _mark(connection: AsyncConnection, objects: str, catalog: str, name: str) -> str | None:
    query = f"SELECT coalesce(shobj_description(oid, '{catalog}'), '') FROM ({objects}) o WHERE name = :name"  # noqa: S608 - constants of this module
    mark: str | None = await connection.scalar(text(query), {"name": name})
    return mark
