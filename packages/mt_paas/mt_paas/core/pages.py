"""Pages of what is in a tenant's database, each no longer than an answer may be.

The contract lets a caller ask for 500 items, and read 1 MiB. Where the items are long the page is shorter than it was
asked for, and its cursor leads on as any does. No more rows are fetched than fit, and a few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.standard_api.models import ContractModel
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES

__all__ = ["ROOM", "read_page", "size_of"]

#: How many bytes the items of one page may take: what is left is for the cursor, and what stands around them.
ROOM = MAX_ANSWER_BYTES - 16 * 1024

_ROWS_AT_ONCE = 16

Item = TypeVar("Item", bound=ContractModel)


async def read_page(
    session: AsyncSession, wanted: Select[Any], limit: int, item: Callable[[Row[Any]], Item]
) -> tuple[list[Item], Row[Any] | None]:
    """Return the first ``limit`` items of ``wanted``, or as many as fit; where more follow, the row of the last too.

    ``item`` makes one of a row: it is no longer than ``ROOM``.
    """
    items: list[Item] = []
    room, last = ROOM, None
    found = await session.stream(wanted.limit(limit + 1), execution_options={"yield_per": _ROWS_AT_ONCE})
    try:
        async for row in found:
            new = item(row)
            room -= size_of(new)
            if len(items) == limit or (items and room < 0):
                return items, last
            items.append(new)
            last = row
    finally:
        await found.close()
    return items, None


def size_of(item: ContractModel) -> int:
    """Return how many bytes of an answer the item takes, with the comma after it."""
    return len(item.model_dump_json().encode()) + 1
