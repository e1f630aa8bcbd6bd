"""A database of its own for the time of a backup or a restore, beside the registry.

Its name says whose it is, so that what a process left that was killed is thrown away by the next one at the same work,
and by the sweep.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from mt_paas.core.database.names import quote
from mt_paas.core.database.server import connect_args, drop_database, literal, run
from mt_paas.core.moving.places import Place, for_psycopg

__all__ = ["Scratch", "left_behind", "scratch"]


@dataclass(frozen=True, slots=True)
class Scratch:
    """The database, as the mover and as SQLAlchemy see it."""

    place: Place
    engine: AsyncEngine


@asynccontextmanager
async def scratch(connection: AsyncConnection, registry: str, tenant_id: str) -> AsyncIterator[Scratch]:
    """Make the tenant's scratch database, empty, and drop it at the end. ``connection`` holds the tenant's lock."""
    name = f"{_begin(registry)}{hashlib.sha256(tenant_id.encode()).hexdigest()[:12]}"
    url: URL = connection.engine.url.set(database=name)
    await drop_database(connection, name)
    await run(connection, f"CREATE DATABASE {quote(name)} TEMPLATE template0 ENCODING 'UTF8'")
    await run(connection, f"REVOKE ALL ON DATABASE {quote(name)} FROM PUBLIC")
    await run(connection, f"COMMENT ON DATABASE {quote(name)} IS {literal(tenant_id)}")
    engine = create_async_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    try:
        yield Scratch(Place(for_psycopg(url), "public", whole=True), engine)
    finally:
        await drop_database(connection, name)


async def left_behind(connection: AsyncConnection, registry: str) -> dict[str, str]:
    """Return the scratch databases that are there, each with its tenant's id."""
    query = text(
        "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
        " WHERE starts_with(datname, :begin)"
    )
    return {str(row[0]): str(row[1]) for row in await connection.execute(query, {"begin": _begin(registry)})}


def _begin(registry: str) -> str:
    return f"mt_{registry}_scratch_"
