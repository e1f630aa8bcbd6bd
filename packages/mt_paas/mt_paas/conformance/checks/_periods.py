"""Periods that are some, each with what it means, and texts that are none though they look like one."""

from __future__ import annotations

__all__ = ["AHEAD", "NO_PERIODS", "PERIODS", "SOME_NO_PERIODS"]

#: The four forms, and where calendars go wrong: the end of a year, and a day that only some years have.
PERIODS = ("daily", "monthly", "2026-01", "2026-01-03", "2025-12", "2025-12-31", "2024-02", "2024-02-29")
#: A month that has not begun: a service may have no figures of it, and must not break.
AHEAD = "2187-12"
#: A "+" or a line break travels percent-encoded.
SOME_NO_PERIODS = (
    *("2026-13", "2026-00", "2026-02-30", "2026-04-31", "2025-02-29", "1900-02-29", "2026-01-00", "0000-01"),
    *("2026-1", "2026-01\n", "yesterday", ""),
)
NO_PERIODS = (
    *SOME_NO_PERIODS,
    *("2026-1-3", "26-01", "2026", "20260101", "2026-01-01T00:00:00Z", "2026-W01", "2026/01", "weekly", "DAILY"),
    *(" 2026-01", "２０２６-０１", "2026-01-03;"),
)
