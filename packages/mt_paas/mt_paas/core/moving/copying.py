"""Rows from one place to another: all of them, and later only what was changed since.

All of a table goes by ``COPY`` from one server to the other, a few at a time. What was changed since is found by
``xmin``, which every row carries: the number of the transaction that wrote it. Rows with the number of a transaction
that was not over when the first copy began are fetched once more; rows that are gone show in the numbers of rows, and
only then are the keys of a table compared. No trigger or table is made at the source, and a service that truncates a
table or writes behind SQLAlchemy's back is followed too.

Where the changes can not be put in without offending a constraint on the way (two rows that swap a unique value), or a
table has no primary key, all rows are fetched again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from mt_paas.core.moving.catalog import Table
from mt_paas.core.moving.places import Connection, Place

__all__ = ["Copy", "fetch", "moment", "value"]

_TRIGGERS = (
    "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger WHERE tgrelid = %s::regclass"
    " AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
)


async def fetch(connection: Connection, query: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
    """Return what the query finds."""
    return await (await connection.execute(query)).fetchall()


async def value(connection: Connection, query: sql.SQL | sql.Composed) -> int:
    """Return the number that the query finds."""
    return int((await fetch(connection, query))[0][0])


async def moment(connection: Connection) -> int:
    """Return the oldest transaction that is not over, for the snapshot of ``connection``: what it sees was before."""
    return await value(connection, sql.SQL("SELECT pg_snapshot_xmin(pg_current_snapshot())"))


@dataclass(frozen=True, slots=True)
class Copy:
    """The tables of a tenant, parents first, between two places over a connection to each.

    Those that are ``emptied`` have no rows at the target: the source has no such table, or its rows stay behind.
    """

    source: Place
    target: Place
    tables: Sequence[Table]
    reading: Connection
    writing: Connection
    emptied: frozenset[tuple[str, str]] = frozenset()

    @property
    def filled(self) -> list[Table]:
        """The tables that have the source's rows."""
        return [table for table in self.tables if table.name not in self.emptied]

    async def all_rows(self) -> None:
        """Make the target's rows those of the source."""
        async with self._undisturbed():
            await self._replace(self.tables)

    async def changes(self, since: int) -> frozenset[tuple[str, str]]:
        """Make the target's rows those of the source, where transactions changed rows that were not over at ``since``.

        Returns the tables of which all rows were written again. Of the others those were that are ``recent`` at the
        source, and at the target they are the ones that this transaction wrote.
        """
        await self.writing.execute("SELECT pg_current_xact_id()")  # age() counts from it, within savepoints too
        async with self._undisturbed():
            try:
                async with self.writing.transaction():
                    return await self._follow(await self.recent(since))
            except psycopg.DatabaseError:  # a constraint is offended on the way; what can not be done fails again
                await self._replace(self.tables)
                return frozenset(table.name for table in self.tables)

    async def recent(self, since: int) -> sql.Composable:
        """Return the condition for rows of the source that were written by a transaction not over at ``since``."""
        now = await value(self.reading, sql.SQL("SELECT pg_current_xact_id()"))
        return sql.SQL("age(t.xmin) <= {}").format(sql.Literal(now - since))

    async def numbers(self, table: Table) -> tuple[int, int]:
        """Return how many rows the table has at the source and at the target."""
        query = sql.SQL("SELECT count(*) FROM {} t WHERE {}")
        there = await value(self.reading, query.format(table.rows_at(self.source), self.source.mine()))
        here = await value(self.writing, query.format(table.rows_at(self.target), self.target.mine()))
        return there, here

    async def _replace(self, tables: Sequence[Table]) -> None:
        for table in reversed(tables):
            await self.writing.execute(
                sql.SQL("DELETE FROM {} t WHERE {}").format(table.rows_at(self.target), self.target.mine())
            )
        for table in tables:
            if table.name not in self.emptied:
                await self._pump(table, table.written, sql.SQL("true"), table.at(self.target), owned=True)

    async def _pump(
        self, table: Table, columns: Sequence[str], condition: sql.Composable, into: sql.Composable, *, owned: bool
    ) -> None:
        """Copy ``columns`` of the rows that meet ``condition``; an ``owned`` table has the tenant's id as well."""
        if not columns:
            return
        given: list[sql.Composable] = [sql.Identifier("t", name) for name in columns]
        taken: list[sql.Composable] = [sql.Identifier(name) for name in columns]
        if owned and self.target.shares is not None:
            given.append(sql.Literal(self.target.shares))
            taken.append(sql.Identifier("tenant_id"))
        read = sql.SQL("COPY (SELECT {} FROM {} t WHERE {} AND {}) TO STDOUT").format(
            sql.SQL(", ").join(given), table.rows_at(self.source), self.source.mine(), condition
        )
        write = sql.SQL("COPY {} ({}) FROM STDIN").format(into, sql.SQL(", ").join(taken))
        async with self.reading.cursor().copy(read) as out, self.writing.cursor().copy(write) as sink:
            async for some in out:
                await sink.write(some)

    async def _follow(self, recent: sql.Composable) -> frozenset[tuple[str, str]]:
        """Fetch what is recent; delete what is gone, children first; then put in the rest, parents first."""
        fetched: list[tuple[Table, sql.Identifier]] = []
        replaced = set()
        for place, table in enumerate(self.tables):
            if table.name in self.emptied:
                continue
            beside = sql.Identifier(f"mt_recent_{place}")
            if table.key and _changeable(table):
                await self._beside(table, table.written, recent, beside)
                fetched.append((table, beside))
            else:
                replaced.add(table.name)
                if await self._changed(table, recent):
                    await self._replace([table])
        for table, beside in reversed(fetched):
            await self._delete_gone(table, beside)
        for table, beside in fetched:
            await self._put(table, beside)
        return frozenset(replaced)

    async def _beside(
        self, table: Table, columns: Sequence[str], condition: sql.Composable, beside: sql.Identifier
    ) -> None:
        """Copy rows into a temporary table at the target."""
        names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
        await self.writing.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(beside))
        await self.writing.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                beside, names, table.at(self.target)
            )
        )
        await self._pump(table, columns, condition, sql.SQL("pg_temp.{}").format(beside), owned=False)
        await self.writing.execute(sql.SQL("ANALYZE pg_temp.{}").format(beside))

    async def _changed(self, table: Table, recent: sql.Composable) -> bool:
        query = sql.SQL("SELECT count(*) FROM {} t WHERE {} AND {}")
        there, here = await self.numbers(table)
        return there != here or bool(
            await value(self.reading, query.format(table.rows_at(self.source), self.source.mine(), recent))
        )

    async def _delete_gone(self, table: Table, beside: sql.Identifier) -> None:
        """Delete what is gone. Keys are fetched of those parts of the table alone in which rows are missing."""
        known = sql.SQL("EXISTS (SELECT FROM {} t WHERE {} AND {})").format(
            table.rows_at(self.target), self.target.mine(), _same_key(table, "r")
        )
        recent = sql.SQL("pg_temp.{} r").format(beside)
        new = await value(self.writing, sql.SQL("SELECT count(*) FROM {} WHERE NOT {}").format(recent, known))
        there, here = await self.numbers(table)
        if here + new == there:
            return
        inside: sql.Composable = sql.SQL("true")
        if self.reading.info.server_version // 10_000 == self.writing.info.server_version // 10_000:  # and so the hash
            source, target = (sql.SQL("{} t").format(table.rows_at(place)) for place in (self.source, self.target))
            wanted, found = await asyncio.gather(
                _parts(self.reading, table, source, self.source.mine()),
                _parts(self.writing, table, target, self.target.mine()),
            )
            found += await _parts(self.writing, table, recent, sql.SQL("NOT {}").format(known), of="r")
            parts = sorted(part for part in found if found[part] != wanted[part])
            inside = sql.SQL("{} = ANY({})").format(_part(table, "t"), sql.Literal(parts))
        keys = sql.Identifier("mt_keys")
        await self._beside(table, table.key, inside, keys)
        await self.writing.execute(
            sql.SQL("DELETE FROM {} t WHERE {} AND {} AND NOT EXISTS (SELECT FROM pg_temp.{} k WHERE {})").format(
                table.rows_at(self.target), self.target.mine(), inside, keys, _same_key(table, "k")
            )
        )

    async def _put(self, table: Table, beside: sql.Identifier) -> None:
        columns = [sql.Identifier(name) for name in table.written]
        given: list[sql.Composable] = [*columns]
        taken: list[sql.Composable] = [*columns]
        key: list[sql.Composable] = [sql.Identifier(name) for name in table.key]
        if self.target.shares is not None:
            given.append(sql.Literal(self.target.shares))
            taken.append(sql.Identifier("tenant_id"))
            key.append(sql.Identifier("tenant_id"))
        changed = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in _changeable(table)]
        await self.writing.execute(
            sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pg_temp.{}"
                " ON CONFLICT ({}) DO UPDATE SET {}"
            ).format(
                table.at(self.target),
                sql.SQL(", ").join(taken),
                sql.SQL(", ").join(given),
                beside,
                sql.SQL(", ").join(key),
                sql.SQL(", ").join(changed),
            )
        )

    @asynccontextmanager
    async def _undisturbed(self) -> AsyncIterator[None]:
        """Let the target take rows as they are: its triggers rest, and references that may be late are checked last."""
        await self.writing.execute("SET CONSTRAINTS ALL DEFERRED")
        resting: list[tuple[str, str]] = []
        if self.target.shares is None:  # elsewhere they would rest for all tenants
            for table in self.tables:
                name = table.at(self.target).as_string(self.writing)
                resting += await (await self.writing.execute(_TRIGGERS, [name])).fetchall()
        for table_name, trigger in resting:
            await self.writing.execute(f"ALTER TABLE {table_name} DISABLE TRIGGER {trigger}".encode())
        yield
        await self.writing.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table_name, trigger in resting:
            await self.writing.execute(f"ALTER TABLE {table_name} ENABLE TRIGGER {trigger}".encode())


def _part(table: Table, of: str) -> sql.Composable:
    """Return which of 4096 parts of its table a row belongs to, by its key."""
    key = sql.SQL(", ").join(sql.Identifier(of, name) for name in table.key)
    return sql.SQL("(hashtextextended(ROW({})::text, 0) & 4095)::int").format(key)


async def _parts(
    connection: Connection, table: Table, rows: sql.Composable, condition: sql.Composable, of: str = "t"
) -> Counter[int]:
    """Return how many rows each part of the table has."""
    query = sql.SQL("SELECT {}, count(*) FROM {} WHERE {} GROUP BY 1")
    return Counter(dict(await fetch(connection, query.format(_part(table, of), rows, condition))))


def _changeable(table: Table) -> list[str]:
    """Return the columns that may change in a row that stays."""
    fixed = {*table.key, *(column.name for column in table.columns if column.generated or column.always)}
    return [column.name for column in table.columns if column.name not in fixed]


def _same_key(table: Table, other: str) -> sql.Composable:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Identifier(other, name)) for name in table.key
    )
