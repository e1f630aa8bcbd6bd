"""Walking a list in pages: a cursor tells which list it belongs to, and after which item it goes on.

It names the item and not its place, so that whatever is added or deleted while somebody walks, no other item comes
twice or is left out.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from mt_paas.errors import InvalidQuery
from mt_paas.standard_api.handler import PageQuery

__all__ = ["page_of"]

Item = TypeVar("Item")


def page_of(
    items: Sequence[Item], query: PageQuery, *, of: str, key: Callable[[Item], str]
) -> tuple[Sequence[Item], str | None]:
    """Return the page of ``items`` that is asked for, and the cursor of the next one; None on the last.

    ``items`` are sorted by ``key``. ``of`` names the list, its tenant included. Raises ``InvalidQuery`` for a cursor
    that was not given out for this list.
    """
    start = bisect_right(items, _after(query.cursor, of), key=key) if query.cursor is not None else 0
    page = items[start : start + query.limit]
    is_last = start + query.limit >= len(items)
    return page, None if is_last else _cursor(of, key(page[-1]))


def _cursor(of: str, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([of, after]).encode()).decode()


def _after(cursor: str, of: str) -> str:
    try:
        told_of, after = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        told_of, after = None, None
    if told_of != of or not isinstance(after, str):
        raise InvalidQuery("The cursor is not one that this list gave out; begin without one.")
    return after
