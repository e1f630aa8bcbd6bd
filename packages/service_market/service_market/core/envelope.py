"""The shape of a success: ``{data, meta}``; of a list, with the cursor of the next page and the total in ``meta``."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Envelope", "Meta", "OperationLink", "Page", "PageMeta", "Wire", "operation_link"]

T = TypeVar("T")


class Wire(BaseModel):
    """The base of everything that the market's API reads and writes. Unknown fields of a request are a fault."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, allow_inf_nan=False)


class OperationLink(Wire):
    """Where to watch work that goes on after the answer."""

    id: str
    href: Annotated[str, Field(examples=["/api/v1/operations/0198a4c2-7d1e-7aa0-b3a1-0c6a5f0d9b11"])]


class Meta(Wire):
    """What is said about an answer beside its data."""

    operation: OperationLink | None = Field(default=None, description="Work under way because of this call; poll it.")


class PageMeta(Wire):
    """Where a list goes on. ``next_cursor`` is null on the last page."""

    next_cursor: str | None = None
    total: int = Field(description="How many there are on all pages together.")


class Envelope(Wire, Generic[T]):
    """One thing."""

    data: T
    meta: Meta = Meta()


class Page(Wire, Generic[T]):
    """One page of a list."""

    data: list[T]
    meta: PageMeta


def operation_link(operation_id: UUID) -> OperationLink:
    """Return where the operation of that id is watched."""
    return OperationLink(id=str(operation_id), href=f"/api/v1/operations/{operation_id}")
