"""What happens to subscriptions. Where work follows, the event names the operation that will do it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from service_market.core.events import Event

__all__ = ["SubscriptionCancelled", "SubscriptionExpired", "SubscriptionRenewed", "SubscriptionStarted"]


@dataclass(frozen=True, slots=True)
class SubscriptionStarted(Event):
    """An organization subscribed; its tenant is to be activated by ``operation_id``."""

    subscription_id: UUID
    tenant_pk: UUID
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class SubscriptionRenewed(Event):
    """A subscription has a new term; a deactivated tenant is to be brought back by ``operation_id``."""

    subscription_id: UUID
    tenant_pk: UUID
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class SubscriptionExpired(Event):
    """A term ended without renewal; the tenant is to be deactivated by ``operation_id``, its data kept."""

    subscription_id: UUID
    tenant_pk: UUID
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class SubscriptionCancelled(Event):
    """A subscription was ended by decision; the tenant is to be deactivated by ``operation_id``, its data kept."""

    subscription_id: UUID
    tenant_pk: UUID
    operation_id: UUID
