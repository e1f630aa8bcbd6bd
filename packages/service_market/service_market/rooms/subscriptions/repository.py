"""Every query about subscriptions. Fenced callers see only what is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from service_market.core.db import Base
from service_market.core.fences import FencedRows
from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.rooms.subscriptions.models import Subscription
from service_market.rooms.subscriptions.types import SubscriptionState

__all__ = ["Subscriptions"]


class Subscriptions(FencedRows[Subscription]):
    """Subscriptions within the fence of the unit's principal."""

    entity = Subscription

    async def add(self, **values: Any) -> Subscription | None:
        """Insert a subscription; None where the organization has a running one to that service."""
        statement = insert(Subscription).values(id=new_id(), **values).on_conflict_do_nothing().returning(Subscription)
        return (await self._session.scalars(statement)).one_or_none()

    async def running(self, organization_id: UUID, service_id: str) -> Subscription | None:
        """Return the organization's subscription to that service which was not cancelled."""
        found = await self._session.scalars(
            select(Subscription).where(
                Subscription.organization_id == organization_id,
                Subscription.service_id == service_id,
                Subscription.state != SubscriptionState.CANCELLED,
            )
        )
        return found.one_or_none()

    async def get(self, subscription_id: UUID, *, lock: bool = False) -> Subscription | None:
        """Return the subscription of that id; with ``lock``, nobody else changes it in the meantime."""
        return await self._one(self._fenced().where(Subscription.id == subscription_id), lock=lock)

    async def of_tenant(self, tenant_pk: UUID, *, lock: bool = False) -> Subscription | None:
        """Return the subscription of that tenant; with ``lock``, nobody else changes it in the meantime."""
        return await self._one(self._fenced().where(Subscription.tenant_pk == tenant_pk), lock=lock)

    async def page(self, request: PageRequest, **equal: Any) -> Slice[Subscription]:
        """Return a page of subscriptions; each of ``equal`` that is not None must match."""
        return await page_of(self._session, self._fenced(**equal), Subscription.id, request)

    async def expire_due(self, at: datetime, *, limit: int) -> Sequence[Subscription]:
        """Expire up to ``limit`` active subscriptions whose term is over, each exactly once, and return them."""
        # Both rows are locked at once and locked ones are skipped: whoever holds a tenant and wants its subscription
        # is never waited for; the next sweep takes what this one left.
        tenant = Base.metadata.tables["tenant"]
        due = (
            select(Subscription.id)
            .join(tenant, tenant.c.id == Subscription.tenant_pk)
            .where(Subscription.state == SubscriptionState.ACTIVE, Subscription.ends_at <= at)
            .order_by(Subscription.ends_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        statement = (
            update(Subscription)
            .where(Subscription.id.in_(select(due.c.id)))
            .values(state=SubscriptionState.EXPIRED)
            .returning(Subscription)
        )
        return (await self._session.scalars(statement)).all()
