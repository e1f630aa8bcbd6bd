"""What can go wrong with subscriptions."""

from __future__ import annotations

from service_market.core.errors import Conflict, Invalid, NotFound

__all__ = ["AlreadySubscribed", "SubscriptionNotActive", "SubscriptionNotFound", "TermTooLong"]


class SubscriptionNotFound(NotFound):
    """There is no such subscription."""

    code = "subscription_not_found"


class AlreadySubscribed(Conflict):
    """The organization has a running subscription to this service."""

    code = "already_subscribed"


class SubscriptionNotActive(Conflict):
    """The subscription has ended; renew it first."""

    code = "subscription_not_active"


class TermTooLong(Invalid):
    """A subscription does not run that far into the future."""

    code = "term_too_long"
