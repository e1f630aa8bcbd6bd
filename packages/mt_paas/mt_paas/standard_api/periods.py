"""Periods of usage: what a caller may ask for, and the day or month (in UTC) that it means."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from mt_paas.errors import InvalidPeriod

__all__ = ["PERIOD_PATTERN", "resolve_period"]

#: What a caller may ask for, but for days that no calendar has.
PERIOD_PATTERN = r"^(?:daily|monthly|[0-9]{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)$"

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def resolve_period(period: str, now: datetime) -> str:
    """Return ``period`` in its resolved form, ``YYYY-MM`` or ``YYYY-MM-DD``.

    ``daily`` is the day and ``monthly`` the month of ``now`` in UTC. Raises ``InvalidPeriod`` for anything that is
    not a period and for days and months that no calendar has.
    """
    today = now.astimezone(UTC).date()
    if period == "daily":
        return today.isoformat()
    if period == "monthly":
        return today.isoformat()[:7]
    if _MONTH.fullmatch(period) and _is_date(f"{period}-01"):
        return period
    if _DAY.fullmatch(period) and _is_date(period):
        return period
    raise InvalidPeriod


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
