"""Every query about usage."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import Insert, insert

from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.core.uow import UnitOfWork
from service_market.rooms.usage.models import UsageRecord

__all__ = ["UsageRecords"]


class UsageRecords:
    """Usage records of tenants; whose tenant it is was checked before."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def put(self, tenant_pk: UUID, source_id: str, **values: Any) -> UsageRecord:
        """Insert the record, or correct the one of that source id, in one statement."""
        statement = _put(tenant_pk, source_id, values)
        returned = await self._session.scalars(
            statement.returning(UsageRecord), execution_options={"populate_existing": True}
        )
        return returned.one()

    async def put_if_newer(self, tenant_pk: UUID, source_id: str, *, as_of: datetime, **values: Any) -> None:
        """Do the same, unless the figures that are there are of a later time."""
        values["as_of"] = as_of
        await self._session.execute(_put(tenant_pk, source_id, values, only=UsageRecord.as_of <= as_of))

    async def page(self, tenant_pk: UUID, request: PageRequest) -> Slice[UsageRecord]:
        """Return a page of a tenant's records."""
        statement = select(UsageRecord).where(UsageRecord.tenant_pk == tenant_pk)
        return await page_of(self._session, statement, UsageRecord.id, request)


def _put(tenant_pk: UUID, source_id: str, values: dict[str, Any], *, only: ColumnElement[bool] | None = None) -> Insert:
    statement = insert(UsageRecord).values(
        id=new_id(), tenant_pk=tenant_pk, source_id=source_id, corrections=0, **values
    )
    return statement.on_conflict_do_update(
        index_elements=["tenant_pk", "source_id"],
        set_={**values, "corrections": UsageRecord.corrections + 1},
        where=only,
    )
