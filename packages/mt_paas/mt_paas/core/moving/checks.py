"""Whether two places hold the same rows: how many each table has, and a checksum over all that they hold.

The checksum of a table is the sum, over its rows in whatever order, of eight bytes of the SHA-256 of the row's text,
generated columns and all. It depends on no version of PostgreSQL and on no order of columns, so a backup carries it
along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from mt_paas.core.moving.catalog import Table
from mt_paas.core.moving.copying import Copy, fetch
from mt_paas.core.moving.places import Connection, Place

__all__ = ["Sum", "difference", "sums", "told"]

_SUM = sql.SQL(
    "SELECT count(*), coalesce(sum(('x' || encode(substr(sha256(convert_to(ROW({})::text, 'UTF8')), 1, 8), 'hex'))"
    "::bit(64)::bigint), 0)::text FROM {} t WHERE {} AND {}"
)
_ALL = sql.SQL("true")


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows a table has, and the checksum over them."""

    rows: int
    checksum: str


async def sums(
    connection: Connection, place: Place, tables: Sequence[Table], condition: sql.Composable = _ALL
) -> dict[str, Sum]:
    """Return the sums of the tenant's rows at ``place`` that meet ``condition``, table by table."""
    found = {}
    for table in tables:
        names = sorted(column.name for column in table.columns)
        columns = sql.SQL(", ").join(sql.Identifier("t", name) for name in names)
        query = _SUM.format(columns, table.rows_at(place), place.mine(), condition)
        ((rows, checksum),) = await fetch(connection, query)
        found[table.said] = Sum(int(str(rows)), str(checksum))
    return found


async def difference(copy: Copy, tables: Sequence[Table], *, since: int | None = None) -> list[str]:
    """Return in words in which of the tables the two places of a copy differ; both are read at once.

    With ``since`` those rows are compared that were ``copy.changes(since)``, and otherwise only how many there are.
    """
    there: sql.Composable = _ALL
    here: sql.Composable = _ALL
    faults: list[str] = []
    if since is not None:
        there, here = await copy.recent(since), sql.SQL("age(t.xmin) <= 0")
        for table in tables:
            wanted, found = await copy.numbers(table)
            if wanted != found:
                faults.append(f"table {table.said} has {found} rows instead of {wanted}")
    wanted_sums, found_sums = await asyncio.gather(
        sums(copy.reading, copy.source, tables, there), sums(copy.writing, copy.target, tables, here)
    )
    return faults or told(wanted_sums, found_sums)


def told(wanted: Mapping[str, Sum], found: Mapping[str, Sum]) -> list[str]:
    """Return in words what of ``wanted`` is not as it should be in ``found``."""
    faults = []
    for name, sum_ in wanted.items():
        got = found.get(name)
        if got is None:
            faults.append(f"table {name} is not there")
        elif got.rows != sum_.rows:
            faults.append(f"table {name} has {got.rows} rows instead of {sum_.rows}")
        elif got != sum_:
            faults.append(f"table {name} has {got.rows} rows, of which some are not the same")
    return faults
