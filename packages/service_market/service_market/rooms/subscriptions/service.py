"""Use cases of subscriptions: subscribe, renew, cancel, expire."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mt_paas.standard_api.models import Admin

from service_market.core.errors import Forbidden, Invalid
from service_market.core.ids import new_id
from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog import public as catalog
from service_market.rooms.identity import public as identity
from service_market.rooms.subscriptions import lifecycle
from service_market.rooms.subscriptions.errors import AlreadySubscribed, SubscriptionNotFound, TermTooLong
from service_market.rooms.subscriptions.events import (
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionRenewed,
    SubscriptionStarted,
)
from service_market.rooms.subscriptions.models import Subscription
from service_market.rooms.subscriptions.repository import Subscriptions
from service_market.rooms.subscriptions.types import SubscriptionState
from service_market.rooms.tenants import public as tenants

__all__ = ["SWEEP_JOB", "cancel", "end_with_tenant", "expire_due", "find", "renew", "subscribe"]

SWEEP_JOB = "subscriptions.expire"
_BATCH = 200
LONGEST_TERM = 120  # months from today
log = get_logger(__name__)


async def subscribe(
    uow: UnitOfWork,
    *,
    organization: str | None,
    service_id: str,
    plan: str,
    term_months: int,
    tenant_id: str | None,
    tenant_name: str | None,
    admin: Admin,
    config: dict[str, Any],
) -> tuple[Subscription, UUID]:
    """Subscribe an organization, create its ``pending`` tenant, and start its activation.

    Returns the subscription and the id of the operation. Raises ``OrganizationNotFound``, ``ServiceNotFound``,
    ``ServiceNotListed``, ``PlanNotOffered``, ``TenantIdTaken`` and :class:`AlreadySubscribed`.
    """
    subscriber = await _subscriber(uow, organization)
    if tenant_id is not None and uow.principal.organization_fence is not None:
        _must_be_its_own(tenant_id, subscriber.slug)
    offer = await catalog.offer(uow, service_id, plan)
    subscriptions, now = Subscriptions(uow), uow.now()
    if (other := await subscriptions.running(subscriber.id, service_id)) is not None:
        raise _already(subscriber.slug, other)
    tenant = await tenants.create_tenant(
        uow,
        tenant_id=tenant_id,
        organization_id=subscriber.id,
        organization_slug=subscriber.slug,
        service_id=service_id,
        manifest_version_id=offer.manifest_version_id,
        name=tenant_name or subscriber.name,
        plan=plan,
        features=offer.features,
        config=config,
        admin_email=admin.email,
        admin_name=admin.name,
        isolation=offer.isolation,
    )
    subscription = await subscriptions.add(
        organization_id=subscriber.id,
        service_id=service_id,
        tenant_pk=tenant.pk,
        tenant_id=tenant.tenant_id,
        plan=plan,
        state=SubscriptionState.ACTIVE,
        term_months=term_months,
        starts_at=now,
        ends_at=lifecycle.months_later(now, term_months),
        created_at=now,
    )
    if subscription is None:  # somebody subscribed the same organization at the same moment
        raise _already(subscriber.slug, await subscriptions.running(subscriber.id, service_id))
    operation_id = new_id()
    await uow.emit(SubscriptionStarted(subscription.id, tenant.pk, operation_id))
    return subscription, operation_id


async def _subscriber(uow: UnitOfWork, slug: str | None) -> identity.OrganizationRef:
    fence = uow.principal.organization_fence
    if slug is None:
        if fence is None:
            raise Invalid("Name the organization to subscribe.")
        return await identity.organization_by_id(uow, fence)
    found = await identity.organization_by_slug(uow, slug)
    if fence is not None and found.id != fence:
        raise Forbidden("This token may subscribe only its own organization.")
    return found


def _must_be_its_own(tenant_id: str, slug: str) -> None:
    """Raise where a school takes an id that reads as another's: it becomes a database's name and a host's label."""
    if tenant_id != slug and not tenant_id.startswith((f"{slug}_", f"{slug}-")):
        raise Forbidden(f"A tenant of {slug} is called {slug}, or begins with {slug}_ or {slug}-.")


def _already(slug: str, other: Subscription | None) -> AlreadySubscribed:
    to = (
        f" to {other.service_id}, by the tenant {other.tenant_id}, {other.state} until {other.ends_at:%Y-%m-%d}"
        if other
        else ""
    )
    return AlreadySubscribed(f"{slug} is subscribed already{to}.")


async def find(uow: UnitOfWork, subscription_id: UUID, *, lock: bool = False) -> Subscription:
    """Return the subscription. Raises :class:`SubscriptionNotFound`."""
    found = await Subscriptions(uow).get(subscription_id, lock=lock)
    if found is None:
        raise SubscriptionNotFound
    return found


async def _both_locked(uow: UnitOfWork, subscription_id: UUID) -> Subscription:
    """Return the subscription, locked after its tenant: the one order in which the market locks the two."""
    seen = await find(uow, subscription_id)
    await tenants.lock_tenant(uow, seen.tenant_pk)
    return await find(uow, subscription_id, lock=True)


async def renew(uow: UnitOfWork, subscription_id: UUID, term_months: int | None) -> tuple[Subscription, UUID | None]:
    """Give a subscription a new term: after the running one, or from now if that has ended.

    Returns it with the id of the operation that brings its tenant back, if one is needed. Raises
    :class:`SubscriptionNotFound`, :class:`AlreadySubscribed`, :class:`TermTooLong`, and what keeps a tenant from
    coming back.
    """
    subscription = await _both_locked(uow, subscription_id)
    months, now = term_months or subscription.term_months, uow.now()
    was = SubscriptionState(subscription.state)
    if was is SubscriptionState.CANCELLED:
        other = await Subscriptions(uow).running(subscription.organization_id, subscription.service_id)
        if other is not None:
            raise _already(subscription.tenant_id, other)
    if was is not SubscriptionState.ACTIVE:
        lifecycle.check(str(subscription.id), was, SubscriptionState.ACTIVE)
        subscription.state = SubscriptionState.ACTIVE
        subscription.starts_at = now
    start = max(subscription.ends_at, now) if was is SubscriptionState.ACTIVE else now
    if lifecycle.months_between(now, start) + months > LONGEST_TERM:
        raise TermTooLong(f"A subscription runs for at most {LONGEST_TERM} months from today.")
    subscription.term_months = months
    subscription.ends_at = lifecycle.months_later(start, months)
    if was is SubscriptionState.ACTIVE:
        return subscription, None
    operation_id = new_id()
    await uow.emit(SubscriptionRenewed(subscription.id, subscription.tenant_pk, operation_id))
    return subscription, operation_id


async def cancel(uow: UnitOfWork, subscription_id: UUID) -> tuple[Subscription, UUID]:
    """End a subscription now; its tenant is deactivated and its data kept until the deadline.

    Returns the subscription and the id of the operation. Raises :class:`SubscriptionNotFound`, and
    :class:`~mt_paas.errors.IllegalTransition` if it is cancelled already.
    """
    subscription = await _both_locked(uow, subscription_id)
    lifecycle.check(str(subscription.id), SubscriptionState(subscription.state), SubscriptionState.CANCELLED)
    subscription.state = SubscriptionState.CANCELLED
    operation_id = new_id()
    await uow.emit(SubscriptionCancelled(subscription.id, subscription.tenant_pk, operation_id))
    return subscription, operation_id


async def end_with_tenant(uow: UnitOfWork, tenant_pk: UUID) -> None:
    """Cancel the subscription of a tenant that is gone, so that its organization may subscribe anew."""
    subscription = await Subscriptions(uow).of_tenant(tenant_pk, lock=True)
    if subscription is not None and subscription.state != SubscriptionState.CANCELLED:
        lifecycle.check(str(subscription.id), SubscriptionState(subscription.state), SubscriptionState.CANCELLED)
        subscription.state = SubscriptionState.CANCELLED


async def expire_due(kernel: Kernel) -> int:
    """Expire every subscription whose term is over and start the deactivation of its tenant; return how many.

    In batches, each one transaction. Two sweeps at once, or one after a day of downtime, do each thing once.
    """
    expired = 0
    while True:
        async with kernel.unit() as uow:
            batch = await Subscriptions(uow).expire_due(uow.now(), limit=_BATCH)
            for subscription in batch:
                await uow.emit(SubscriptionExpired(subscription.id, subscription.tenant_pk, new_id()))
        expired += len(batch)
        if len(batch) < _BATCH:
            break
    if expired:
        log.info("subscriptions expired", count=expired)
    return expired
