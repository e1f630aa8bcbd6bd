"""How a place is held still for a moment, and how it is shut for good behind a tenant that left.

Both are done in the source's own database, so that every process is bound by it, also one that does not know of the
move. *Held*: a tenant's own tables are locked in ``EXCLUSIVE`` mode, for which writers wait and readers do not. Where
tenants share tables, a lock of the one tenant does it, which the fence takes with each of its statements
(``mt_fence.sharer()``): others are not touched.

*Shut*: the schemas are renamed, and for rows in shared tables the fence is told to refuse the tenant. Both take effect
with the commit that lets the waiting writers go on, so none of them writes to where nobody will look. A session that
was opened before and finds the place shut is told 503.
"""

from __future__ import annotations

import asyncio
import random
import time

import psycopg
from psycopg import sql

from mt_paas.core.moving.catalog import read_tables, schemas_of
from mt_paas.core.moving.copying import fetch
from mt_paas.core.moving.places import Connection, Place, sealed_name
from mt_paas.errors import MoveBusy

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 0.5  # seconds; PostgreSQL's deadlock_timeout is 1
_BEING_SHUT = 30  # seconds that a commit may take which shuts a place
__all__ = ["hold", "is_shut", "open_up", "shut"]


async def hold(connection: Connection, place: Place, seconds: float) -> None:
    """Let nobody write to the tenant's rows until the transaction ends; it is to be the first thing in it.

    Several tables are not locked at one blow, and a transaction may hold one of them and wait for another that is
    locked already. So that PostgreSQL does not end it as a deadlock, which it looks for after a second, the locks are
    let go in less, and tried again in another order. Raises :class:`~mt_paas.errors.MoveBusy` where a transaction of
    the tenant's is open for longer than ``seconds``.
    """
    names = [table.at(place) for table in (await read_tables(connection, place)).values()]
    await connection.rollback()
    until = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        try:
            await connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(int(wait * 1000))))
            if place.shares is not None:
                await connection.execute("SELECT pg_advisory_xact_lock(mt_fence.lock_of(%s))", [place.shares])
            elif names:
                random.shuffle(names)
                await connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))
            await connection.execute("SET LOCAL statement_timeout = 0")
            return
        except (psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected) as error:
            await connection.rollback()
            if time.monotonic() >= until:
                raise MoveBusy(
                    f"a transaction of the tenant's stayed open for more than {seconds:g} seconds; try again when it "
                    "has ended"
                ) from error
        await asyncio.sleep(wait)  # in which who was waiting gets on
        wait = min(2 * wait, _LONGEST_WAIT)


async def shut(connection: Connection, place: Place) -> None:
    """Refuse everybody, from the commit on."""
    if place.shares is not None:
        await connection.execute("INSERT INTO mt_fence.gone VALUES (%s) ON CONFLICT DO NOTHING", [place.shares])
        return
    for schema in await schemas_of(connection, place):
        await connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(schema), sql.Identifier(sealed_name(schema)))
        )


async def open_up(connection: Connection, place: Place) -> None:
    """Let a tenant in that was refused since it left these tables; other places are made anew, and open."""
    if place.shares is not None:
        await connection.execute("DELETE FROM mt_fence.gone WHERE tenant_id = %s", [place.shares])


async def is_shut(connection: Connection, place: Place) -> bool:
    """Tell whether the place was shut, and wait for who may be at it: a commit goes on when its client is gone.

    These locks wait for :func:`hold` and not for the tenant's writers. Raises :class:`~mt_paas.errors.MoveBusy` where
    they are not had in time.
    """
    names = [table.at(place) for table in (await read_tables(connection, place)).values()]
    await connection.rollback()
    try:
        await connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(_BEING_SHUT * 1000)))
        if place.shares is not None:
            await connection.execute("SELECT pg_advisory_xact_lock_shared(mt_fence.lock_of(%s))", [place.shares])
        elif names:
            await connection.execute(sql.SQL("LOCK TABLE {} IN ROW SHARE MODE").format(sql.SQL(", ").join(names)))
    except psycopg.errors.QueryCanceled as error:
        raise MoveBusy(
            "the old place of the tenant is just being shut, or locked otherwise; try again later"
        ) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        """It was shut while this waited."""
    await connection.rollback()
    if place.shares is not None:
        query = sql.SQL("SELECT FROM mt_fence.gone WHERE tenant_id = {}").format(sql.Literal(place.shares))
    else:
        query = sql.SQL("SELECT FROM pg_namespace WHERE nspname = {}").format(sql.Literal(place.sealed_home))
    return bool(await fetch(connection, query))
