"""What has to be the same at two places before rows can go from one to the other, and what is made so.

A new place has the tables of the service's metadata. Tables that the tenant has beside them are made there as they are
at the source. Where a table differs, or there is something that only the service can make (views, functions, triggers),
the move is refused before anything is copied, and the message says what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from psycopg import sql
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import MetaData
from sqlalchemy import Table as SqlTable
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.shared_tables import share
from mt_paas.core.moving.catalog import REVISION, Table, ordered, read_others, read_tables
from mt_paas.core.moving.copying import fetch
from mt_paas.core.moving.places import Connection, Place
from mt_paas.errors import MoveFailed

__all__ = ["fit", "make_missing", "missing", "reflected", "require_others", "revisions", "with_late_circles"]

_MIGRATE = "bring the tenant to the newest revision first (mt-paas tenants migrate)"


async def make_missing(found: MetaData, target: Place, owner: AsyncConnection) -> None:
    """Make the tables ``found`` elsewhere at the target, as tenants share them if they do there."""
    await owner.run_sync((found if target.shares is None else share(found)).create_all)


async def reflected(owner: AsyncConnection, source: Place, names: Collection[str]) -> MetaData:
    """Return the tables ``names`` of the source, and those that they refer to.

    Raises :class:`~mt_paas.errors.MoveFailed` where tenants share them: what they are for one can not be read.
    """
    if source.shares is not None:
        raise MoveFailed(
            f"the shared tables {', '.join(sorted(names))} are unknown to the service's metadata, so nobody can say "
            "what they are for one tenant: add them to the metadata, or make them in a migration"
        )

    def read(connection: SyncConnection) -> MetaData:
        found = MetaData()
        for name in names:
            SqlTable(name, found, autoload_with=connection)
        return found

    return await owner.run_sync(read)


async def missing(reading: Connection, writing: Connection, source: Place, target: Place) -> list[str]:
    """Return which tables the target lacks. Raises ``MoveFailed`` where they can not be made."""
    there, here = await read_tables(reading, source), await read_tables(writing, target)
    await require_others(reading, writing, source, target)
    names = [name for name in there if name not in here and name != ("", REVISION)]
    apart = sorted(there[name].said for name in names if name[0])
    if apart:
        raise MoveFailed(
            f"the tables {', '.join(apart)} are in schemas of their own, which the new place does not have"
        )
    return [name for _, name in names]


async def require_others(reading: Connection, writing: Connection, source: Place, target: Place) -> None:
    """Raise ``MoveFailed`` where the source has what is no table, and the target has not and can not be given."""
    lost = (await read_others(reading, source)) - (await read_others(writing, target))
    if lost:
        said = ", ".join(f"the {kind} {name}" for kind, name in sorted(lost))
        raise MoveFailed(f"{said} would be lost: the service does not make the like for a new tenant")


async def fit(reading: Connection, writing: Connection, source: Place, target: Place) -> list[Table]:
    """Return the target's tables, parents first. Raises :class:`~mt_paas.errors.MoveFailed` where one does not fit.

    One that the source does not have, for it may be older, is empty when the copy is done.
    """
    there, here = await read_tables(reading, source), await read_tables(writing, target)
    await _compare_revisions(reading, writing, source, target)
    if source.shares is not None or target.shares is not None:
        there.pop(("", REVISION), None)
        here.pop(("", REVISION), None)
    faults = []
    for name, table in there.items():
        other = here.get(name)
        if other is None:
            faults.append(f"the new place has no table {table.said}")
        elif odd := _odd(table, other):
            faults.append(f"table {table.said} differs in {', '.join(odd)}")
    if faults:
        raise MoveFailed(f"{'; '.join(faults)}: {_MIGRATE}")
    return await with_late_circles(writing, target, here.values())


async def with_late_circles(connection: Connection, place: Place, tables: Iterable[Table]) -> list[Table]:
    """Return the tables, parents first; references that go round in a circle may be checked late from now on."""
    in_order, circles = ordered(tables)
    for table, reference in circles:
        if not reference.deferrable:
            await connection.execute(
                sql.SQL("ALTER TABLE {} ALTER CONSTRAINT {} DEFERRABLE").format(
                    table.at(place), sql.Identifier(reference.name)
                )
            )
    return in_order


def _odd(one: Table, other: Table) -> list[str]:
    return sorted({name for name, _, _ in set(_essence(one)) ^ set(_essence(other))})


def _essence(table: Table) -> tuple[tuple[str, str, bool], ...]:
    return tuple(sorted((column.name, column.type, column.generated) for column in table.columns))


async def _compare_revisions(reading: Connection, writing: Connection, source: Place, target: Place) -> None:
    """Raise ``MoveFailed`` where the two places are at different revisions; a place that has none is told its own."""
    there, here = await revisions(reading, source), await revisions(writing, target)
    if there == here:
        return
    if not there:  # the new place would have the newest tables, and say that no migration ever was there
        raise MoveFailed(
            f"no migration was at the tenant's tables, and its new place is at {', '.join(here)}: migrate the tenant "
            "first, with the revision that its tables are at (mt-paas tenants migrate --baseline)"
        )
    if here:
        raise MoveFailed(
            f"the tenant is at revision {', '.join(there)} and its new place at {', '.join(here)}: {_MIGRATE}"
        )
    if target.shares is None:
        name = sql.Identifier(target.home, REVISION)
        await writing.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} (version_num varchar(32) NOT NULL PRIMARY KEY)").format(name)
        )
        for revision in there:
            await writing.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(name, sql.Literal(revision)))


async def revisions(connection: Connection, place: Place) -> list[str]:
    """Return Alembic's revisions of the place; none where there is no Alembic."""
    table = sql.Identifier(place.home, REVISION)
    found = sql.SQL("SELECT to_regclass({}) IS NOT NULL").format(sql.Literal(table.as_string(connection)))
    if await fetch(connection, found) != [(True,)]:
        return []
    return sorted(str(row[0]) for row in await fetch(connection, sql.SQL("SELECT version_num FROM {}").format(table)))
