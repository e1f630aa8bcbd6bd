"""The time, as something that is handed in: code that depends on dates takes a :data:`Clock`, and tests move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "utc_now"]

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)
