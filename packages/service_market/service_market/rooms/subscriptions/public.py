"""The door of subscriptions for their neighbours."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from service_market.core.uow import UnitOfWork
from service_market.rooms.subscriptions import service
from service_market.rooms.subscriptions.errors import SubscriptionNotFound
from service_market.rooms.subscriptions.repository import Subscriptions
from service_market.rooms.subscriptions.types import SubscriptionState

__all__ = ["renew_for_tenant", "subscribed_until"]


async def subscribed_until(uow: UnitOfWork, tenant_pk: UUID) -> datetime | None:
    """Return until when the tenant's subscription runs; None if it has ended."""
    found = await Subscriptions(uow).of_tenant(tenant_pk)
    runs = found is not None and found.state == SubscriptionState.ACTIVE and found.ends_at > uow.now()
    return found.ends_at if found is not None and runs else None


async def renew_for_tenant(uow: UnitOfWork, tenant_pk: UUID, term_months: int | None) -> UUID | None:
    """Renew the tenant's subscription; return the id of the operation that brings the tenant back, if one is needed.

    Raises ``SubscriptionNotFound``, ``AlreadySubscribed`` and ``TermTooLong``.
    """
    found = await Subscriptions(uow).of_tenant(tenant_pk)
    if found is None:
        raise SubscriptionNotFound
    _, operation_id = await service.renew(uow, found.id, term_months)
    return operation_id
