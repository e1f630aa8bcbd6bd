"""Which columns hold what is sealed, and with which keys it was: asked before a market starts.

A market whose secret key is not the one that its database was used with would start, and fail at every call to a
service. Every column of the type :data:`SealedBytes` is looked at, whichever room it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Annotated, Any

from sqlalchemy import Column, LargeBinary, Table, func, select, update
from sqlalchemy.orm import mapped_column

from service_market.core.crypto import KEY_ID_AT, KEY_ID_BYTES
from service_market.core.db import Base, Database

__all__ = ["SealedBytes", "count_unreadable", "forget_unreadable", "sealed_with"]


class _Sealed(LargeBinary):
    """Marks a column of sealed values."""

    cache_ok = True


#: What :meth:`~service_market.core.crypto.SecretBox.seal` returned, as a column. Empty where it was forgotten.
SealedBytes = Annotated[bytes, mapped_column(_Sealed)]


def _columns() -> Iterator[tuple[Table, Column[Any]]]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, _Sealed):
                yield table, column


def sealed_with(column: Any, keys: AbstractSet[bytes]) -> Any:
    """Return the SQL condition that what is in ``column`` was sealed with one of ``keys``, which are ids."""
    return func.substring(column, KEY_ID_AT + 1, KEY_ID_BYTES).in_(keys)


def _unreadable(column: Column[Any], known: AbstractSet[bytes]) -> Any:
    return (func.length(column) > 0) & ~sealed_with(column, known)


async def count_unreadable(database: Database, known: AbstractSet[bytes]) -> int:
    """Return how many values were sealed with a key whose id is not ``known``."""
    async with database.engine.connect() as connection:
        counts = [
            await connection.scalar(select(func.count()).select_from(table).where(_unreadable(column, known)))
            for table, column in _columns()
        ]
    return sum(count or 0 for count in counts)


async def forget_unreadable(database: Database, known: AbstractSet[bytes]) -> int:
    """Empty every value that was sealed with a key whose id is not ``known``; return how many there were."""
    forgotten = 0
    async with database.engine.begin() as connection:
        for table, column in _columns():
            emptied = None if column.nullable else b""
            done = await connection.execute(update(table).where(_unreadable(column, known)).values({column: emptied}))
            forgotten += done.rowcount
    return forgotten
