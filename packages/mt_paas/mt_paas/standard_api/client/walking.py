"""Walking a list page by page, to an end that no service is trusted to have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mt_paas.errors import ServiceAnswerInvalid

__all__ = ["MAX_WALKED", "PageLike", "fault_of_page", "walk"]

#: How many items a walk takes from a service, unless the caller says otherwise.
MAX_WALKED = 1_000_000

_LONGEST_CURSOR = 2000  # characters: it must fit into an address

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)


class PageLike(Protocol[Item_co]):
    """A page of any list."""

    @property
    def items(self) -> Sequence[Item_co]:
        """What is on this page."""
        ...

    @property
    def total(self) -> int | None:
        """How many there are on all pages, where the service says."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """The next page; None on the last one."""
        ...


def fault_of_page(page: PageLike[object], limit: int | None) -> str:
    """Return what is wrong with a page of up to ``limit`` items; nothing where all is right."""
    if limit is not None and len(page.items) > limit:
        return f"items: {len(page.items)} came, and {limit} at most were asked for"
    if page.total is not None and page.total < len(page.items):
        return f"total: it is {page.total}, and {len(page.items)} came on this page alone"
    if page.next_cursor is not None and not 0 < len(page.next_cursor) <= _LONGEST_CURSOR:
        return f"next_cursor: its length is not 1 to {_LONGEST_CURSOR}; on the last page it is null or absent"
    return ""


async def walk(
    read: Callable[[str | None], Awaitable[PageLike[Item]]], id_of: Callable[[Item], str], what: str, at_most: int
) -> AsyncIterator[Item]:
    """Yield every item of a list once, as ``read`` returns its pages by their cursors.

    Raises ``ServiceAnswerInvalid`` where the list would never end: a cursor that came before, a page without
    anything new that is not the last, or more than ``at_most`` items.
    """
    cursor: str | None = None
    cursors: set[str] = set()
    seen: set[str] = set()
    while True:
        page = await read(cursor)
        known = len(seen)
        for item in page.items:
            if id_of(item) in seen:
                continue  # it moved to this page while others were added
            if len(seen) == at_most:
                raise ServiceAnswerInvalid(f"{what}: there are more than {at_most}, and no end of them was seen")
            seen.add(id_of(item))
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return
        if cursor in cursors:
            raise ServiceAnswerInvalid(f"{what}: the cursor of a page came before, so the list would never end")
        if len(seen) == known:
            raise ServiceAnswerInvalid(f"{what}: a page had nothing new and was not the last one")
        cursors.add(cursor)
