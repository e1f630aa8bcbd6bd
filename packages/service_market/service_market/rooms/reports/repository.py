"""Every query about call-backs and the events that came by them. Whose tenant it is was checked before."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.core.seals import sealed_with
from service_market.core.uow import UnitOfWork
from service_market.rooms.reports.models import ReportedEvent, TenantCallback

__all__ = ["Callbacks", "ReportedEvents"]


class Callbacks:
    """The call-backs of tenants."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def of_operation(self, operation_id: UUID) -> TenantCallback | None:
        """Return the call-back that an operation gave."""
        statement = select(TenantCallback).where(TenantCallback.operation_id == operation_id)
        return (await self._session.scalars(statement)).one_or_none()

    async def put(self, **values: Any) -> None:
        """Insert the call-back of an operation; in the place of the one that it gave before, if there is one."""
        statement = insert(TenantCallback).values(**values)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["operation_id"], set_={**values, "used_at": None, "ends_at": None}
            )
        )

    async def by_digest(self, digest: str, now: datetime, *, lock: bool) -> TenantCallback | None:
        """Return the call-back of that token which is good at the time; with ``lock``, nobody ends it meanwhile."""
        good = or_(TenantCallback.ends_at.is_(None), TenantCallback.ends_at > now)
        statement = select(TenantCallback).where(TenantCallback.token_digest == digest, good)
        return (await self._session.scalars(statement.with_for_update() if lock else statement)).one_or_none()

    async def sealed_with(self, keys: AbstractSet[bytes], *, limit: int) -> Sequence[TenantCallback]:
        """Return call-backs that were sealed with one of ``keys``, locked; those that another locked are left to it."""
        old = select(TenantCallback).where(sealed_with(TenantCallback.sealed_callback, keys)).limit(limit)
        return (await self._session.scalars(old.with_for_update(skip_locked=True))).all()

    async def note_use(self, callback: TenantCallback, now: datetime, *, earlier_until: datetime) -> None:
        """Note that the call-back is in use; at the first time, let those that were given before it end."""
        first = await self._session.execute(
            update(TenantCallback)
            .where(TenantCallback.id == callback.id, TenantCallback.used_at.is_(None))
            .values(used_at=now)
            .returning(TenantCallback.id)
        )
        if first.first() is not None:
            earlier = (TenantCallback.tenant_pk == callback.tenant_pk, TenantCallback.id < callback.id)
            await self._session.execute(
                update(TenantCallback).where(*earlier, TenantCallback.ends_at.is_(None)).values(ends_at=earlier_until)
            )

    async def forget_ended(self, now: datetime) -> None:
        """Delete those that are good no more."""
        await self._session.execute(delete(TenantCallback).where(TenantCallback.ends_at <= now))

    async def forget_tenant(self, tenant_pk: UUID) -> None:
        """Delete those of a tenant."""
        await self._session.execute(delete(TenantCallback).where(TenantCallback.tenant_pk == tenant_pk))


class ReportedEvents:
    """The events that came."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session
        self._now = uow.now()

    async def add(self, tenant_pk: UUID, event_id: str, **values: Any) -> bool:
        """Insert an event; False where it came before, or comes at this moment by another request."""
        statement = insert(ReportedEvent).values(
            id=new_id(), tenant_pk=tenant_pk, event_id=event_id, received_at=self._now, **values
        )
        statement = statement.on_conflict_do_nothing(index_elements=["tenant_pk", "event_id"])
        return (await self._session.execute(statement.returning(ReportedEvent.id))).first() is not None

    async def keep_newest(self, tenant_pk: UUID, number: int) -> None:
        """Delete a tenant's events but the newest ``number``; those that another request deletes are left to it."""
        own = select(ReportedEvent.id).where(ReportedEvent.tenant_pk == tenant_pk)
        older = own.order_by(ReportedEvent.id.desc()).offset(number).with_for_update(skip_locked=True)
        await self._session.execute(delete(ReportedEvent).where(ReportedEvent.id.in_(older)))

    async def page(self, tenant_pk: UUID, request: PageRequest) -> Slice[ReportedEvent]:
        """Return a page of a tenant's events."""
        statement = select(ReportedEvent).where(ReportedEvent.tenant_pk == tenant_pk)
        return await page_of(self._session, statement, ReportedEvent.id, request)

    async def forget_old(self, older_than: timedelta) -> None:
        """Delete what came longer ago."""
        await self._session.execute(delete(ReportedEvent).where(ReportedEvent.received_at < self._now - older_than))

    async def forget_tenant(self, tenant_pk: UUID) -> None:
        """Delete those of a tenant."""
        await self._session.execute(delete(ReportedEvent).where(ReportedEvent.tenant_pk == tenant_pk))
