"""The migration of one tenant: in a transaction of its owner, with nobody else at it, and its failure told in words."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.isolations import Isolations
from mt_paas.core.database.server import run
from mt_paas.core.database.shared_tables import SharedTables
from mt_paas.core.migrations.scripts import Migrations, Request, Step
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ConfigurationError, MtPaasError, ServiceNotReady

__all__ = [
    "SHARED",
    "bring_up",
    "hold",
    "is_of_the_tenant",
    "is_there_already",
    "migrate_shared",
    "migrate_tenant",
    "words_of",
]

#: The isolation whose tenants are all at one revision.
SHARED = SharedTables.name
_PASSING = ("08", "40", "53", "55P03", "57")  # SQLSTATEs of what an attempt a minute later may not meet
_LIMIT = 500
_DUPLICATE = ("42P06", "42P07", "42701", "42710", "42723")  # schema, table, column, object, function


async def migrate_tenant(isolations: Isolations, migrations: Migrations, tenant: Tenant, request: Request) -> Step:
    """Bring the tenant's tables to the revision that is asked for, all of the way or none of it."""
    isolation = isolations.of(tenant)
    async with isolation.owner(tenant) as connection:
        await hold(connection, tenant.database, request)
        step = await migrations.migrate(connection, request, isolation.prepare)
        if step.before != step.after:
            await isolation.secure(connection, tenant)
    return step


async def migrate_shared(
    isolations: Isolations, migrations: Migrations, request: Request, *, dry_run: bool = False
) -> Step | None:
    """Bring the tables that tenants share to the revision that is asked for; null where none share any.

    With ``dry_run`` it is only looked where they are.
    """
    shared = isolations.shared
    if shared is None:
        return None
    async with shared.owner() as connection:
        if dry_run:
            found = await migrations.look(connection)
            return Step(found, found)
        await hold(connection, SHARED, request)
        step = await migrations.migrate(connection, request, shared.prepare)
        if step.before != step.after:
            await shared.secure(connection)
    return step


async def bring_up(isolations: Isolations, migrations: Migrations, tenant: Tenant) -> str | None:
    """Bring a tenant that was there before to the head, and return the revision that it is at.

    Newer tables than these scripts know of stay as they are, as do those that it shares with others.
    """
    if isolations.shared is isolations.of(tenant):
        async with isolations.owner(tenant) as connection:
            return await migrations.look(connection)
    step = await migrate_tenant(isolations, migrations, tenant, Request(only_forward=True))
    return step.after


async def hold(connection: AsyncConnection, place: str, request: Request) -> None:
    """Keep other migrations from ``place`` until the transaction ends.

    The tenant's lock in the registry does so too, but ends with its connection, while this transaction may still be at
    its commit.
    """
    key = int.from_bytes(hashlib.sha256(f"mt_migration {place}".encode()).digest()[:8], "big", signed=True)
    await run(connection, f"SET LOCAL lock_timeout = {max(1, int(request.lock_timeout * 1000))}")
    await connection.execute(select(func.pg_advisory_xact_lock(key)))


def is_of_the_tenant(error: Exception) -> bool:
    """Tell whether a migration failed for what is in the tenant's tables, rather than for what may pass by itself.

    A server that is away, a lock that others hold and scripts that can not run for anybody are not the tenant's.
    """
    cause = _cause(error)
    state = getattr(getattr(cause, "orig", None), "sqlstate", None)
    if isinstance(cause, ServiceNotReady | ConfigurationError):
        return False
    if state is None and isinstance(cause, OperationalError | InterfaceError):  # no connection, or none any more
        return False
    return not (isinstance(state, str) and state.startswith(_PASSING))


def words_of(error: Exception) -> str:
    """Return what to tell of a failure: PostgreSQL's message, without the statement, its parameters, and the row."""
    cause = _cause(error)
    if not isinstance(cause, DBAPIError):
        name = "" if isinstance(cause, MtPaasError) else f"{type(cause).__name__}: "
        return f"{name}{_first_line(str(cause))}"[:_LIMIT]
    original: Any = cause.orig
    message = getattr(getattr(original, "diag", None), "message_primary", None) or _first_line(str(original))
    state = getattr(original, "sqlstate", None)
    return f"{message}{f' (SQLSTATE {state})' if state else ''}"[:_LIMIT]


def is_there_already(error: Exception) -> bool:
    """Tell whether a migration made a table, or another object, that was there."""
    cause = _cause(error)
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) in _DUPLICATE


def _cause(error: Exception) -> Exception:
    """Return the database's error where it was taken for a database that is away."""
    if isinstance(error, ServiceNotReady) and isinstance(error.__cause__, DBAPIError):
        return error.__cause__
    return error


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
