from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from mt_paas.errors import InvalidPeriod
from mt_paas.standard_api.periods import resolve_period

NOW = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "resolved"),
    [
        ("daily", "2026-01-31"),
        ("monthly", "2026-01"),
        ("2025-12", "2025-12"),
        ("2024-02-29", "2024-02-29"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_a_period_is_resolved(period, resolved):
    assert resolve_period(period, NOW) == resolved


def test_today_is_the_day_in_utc():
    seoul = timezone(timedelta(hours=9))
    assert resolve_period("daily", datetime(2026, 2, 1, 8, 30, tzinfo=seoul)) == "2026-01-31"


@pytest.mark.parametrize(
    "period",
    [
        *("", "weekly", "DAILY", "2026", "2026-1", "2026-00", "2026-13", "2026-02-30", "2025-02-29", "0000-01"),
        *("2026-01\n", " 2026-01", "-2026-01", "２０２６-01", "20260101", "2026-W01", "2026-01-01T00:00:00Z"),
        *("monthly; drop table", "1" * 9999),
    ],
)
def test_anything_else_is_refused(period):
    with pytest.raises(InvalidPeriod, match="daily, monthly, YYYY-MM or YYYY-MM-DD"):
        resolve_period(period, NOW)
