"""What can go wrong with usage reports."""

from __future__ import annotations

from service_market.core.errors import Invalid

__all__ = ["InvalidPeriod"]


class InvalidPeriod(Invalid):
    """A period is a month, YYYY-MM, or a day, YYYY-MM-DD."""

    code = "invalid_period"
