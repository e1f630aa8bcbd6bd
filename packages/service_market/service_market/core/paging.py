"""Cursor pages over ids that grow with time (:mod:`service_market.core.ids`), newest first.

A cursor is opaque to callers: the id of the last row that was given out, in base 64. Rows that are added while
somebody walks the pages neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service_market.core.envelope import Page, PageMeta
from service_market.core.errors import InvalidCursor

__all__ = ["PageRequest", "Paging", "Slice", "as_page", "page_of"]

T = TypeVar("T")
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted: up to ``limit`` rows that are older than ``after``."""

    limit: int = 50
    after: UUID | None = None


def _page_request(
    cursor: Annotated[str | None, Query(description="`meta.next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Rows on a page.")] = 50,
) -> PageRequest:
    if cursor is None:
        return PageRequest(limit)
    try:
        return PageRequest(limit, UUID(bytes=base64.urlsafe_b64decode(cursor + "==")))
    except (ValueError, binascii.Error):
        raise InvalidCursor from None


Paging = Annotated[PageRequest, Depends(_page_request)]


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One page of rows, and what is needed to ask for the next."""

    rows: Sequence[T]
    total: int
    last: UUID | None

    @property
    def cursor(self) -> str | None:
        """The opaque cursor of the next page, or None."""
        return base64.urlsafe_b64encode(self.last.bytes).decode().rstrip("=") if self.last else None


async def page_of(
    session: AsyncSession, statement: Select[Any], key: InstrumentedAttribute[UUID], request: PageRequest
) -> Slice[Any]:
    """Return the page of ``statement`` (one entity a row) by ``key``, newest first, and the total of all."""
    total = await session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
    if request.after is not None:
        statement = statement.where(key < request.after)
    rows = list((await session.scalars(statement.order_by(key.desc()).limit(request.limit + 1))).all())
    more = len(rows) > request.limit
    rows = rows[: request.limit]
    return Slice(rows, total, getattr(rows[-1], key.key) if more and rows else None)


def as_page(part: Slice[T], shape: Callable[[T], W]) -> Page[W]:
    """Return the slice in the envelope of a list."""
    return Page[Any](data=[shape(row) for row in part.rows], meta=PageMeta(next_cursor=part.cursor, total=part.total))
