"""The fence of a caller, in SQL: rows that belong to somebody else are not found."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Select, select

from service_market.core.uow import UnitOfWork

__all__ = ["FencedRows"]

Row = TypeVar("Row")


class FencedRows(Generic[Row]):
    """The base of a repository whose rows have an ``organization_id`` and a ``service_id``.

    It sees what is within the fence of the unit's principal: an organization's own rows, those of a service, or all.
    """

    entity: ClassVar[type[Any]]

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session
        self._principal = uow.principal

    def _fenced(self, **equal: Any) -> Select[Row]:
        """Select what the caller may see; each of ``equal`` that is not None must match."""
        statement = select(self.entity)
        if (organization := self._principal.organization_fence) is not None:
            statement = statement.where(self.entity.organization_id == organization)
        if (service := self._principal.service_fence) is not None:
            statement = statement.where(self.entity.service_id == service)
        return statement.filter_by(**{name: value for name, value in equal.items() if value is not None})

    async def _one(self, statement: Select[Row], *, lock: bool) -> Row | None:
        """Return the only row of ``statement``; with ``lock``, as it is now, and nobody else changes it meanwhile."""
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()
