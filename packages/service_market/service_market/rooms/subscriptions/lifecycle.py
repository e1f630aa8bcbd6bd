"""The state machine of a subscription, and the calendar of its terms."""

from __future__ import annotations

import calendar
from datetime import datetime

from mt_paas.errors import IllegalTransition

from service_market.rooms.subscriptions.types import SubscriptionState

__all__ = ["TRANSITIONS", "check", "months_between", "months_later"]

_S = SubscriptionState
TRANSITIONS: dict[SubscriptionState, frozenset[SubscriptionState]] = {
    _S.ACTIVE: frozenset({_S.EXPIRED, _S.CANCELLED}),
    _S.EXPIRED: frozenset({_S.ACTIVE, _S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.ACTIVE}),
}


def check(subscription: str, current: SubscriptionState, wanted: SubscriptionState) -> None:
    """Raise :class:`~mt_paas.errors.IllegalTransition` where the table has no such step."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"subscription {subscription}", current, wanted, sorted(TRANSITIONS[current]))


def months_later(start: datetime, months: int) -> datetime:
    """Return the same day and time ``months`` later; the last day of the month where it has no such day."""
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


def months_between(start: datetime, end: datetime) -> int:
    """Return how many months ``end`` is after ``start``, by the calendar's months alone."""
    return (end.year - start.year) * 12 + end.month - start.month
