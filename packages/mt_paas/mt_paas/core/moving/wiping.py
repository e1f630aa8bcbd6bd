"""The rows of one tenant in tables that all share, deleted from every table there is: also those of no metadata."""

from __future__ import annotations

from psycopg import sql
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.isolations import Isolations
from mt_paas.core.database.shared_tables import SharedTables
from mt_paas.core.moving.catalog import read_tables
from mt_paas.core.moving.fitting import with_late_circles
from mt_paas.core.moving.places import place_of
from mt_paas.core.schemas import Tenant

__all__ = ["wipe"]


async def wipe(isolations: Isolations, tenant: Tenant, holding: AsyncConnection) -> None:
    """Delete the tenant's rows, children first, where its place is shared; other places are deleted as a whole.

    Nothing is deleted where ``holding``, the connection that holds the tenant, was lost meanwhile.
    """
    if tenant.isolation != SharedTables.name:
        return
    place = await place_of(isolations, tenant)
    async with place.connect() as connection:
        tables = await with_late_circles(connection, place, (await read_tables(connection, place)).values())
        await connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in reversed(tables):
            await connection.execute(sql.SQL("DELETE FROM {} t WHERE {}").format(table.rows_at(place), place.mine()))
        await holding.execute(select(1))  # who waits for long may have lost it, and another may be at work here
        await connection.commit()
