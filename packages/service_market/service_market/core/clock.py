"""What time it is, as a thing that is handed in.

Everything of the domain that asks for the time (terms, expiry, deadlines) asks a :class:`Clock`. Leases and the job
queue do not: they count real seconds, by the database's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "FileClock", "SystemClock"]


class Clock(Protocol):
    """Tells the time of the domain."""

    def now(self) -> datetime:
        """Return the present moment, with its zone (UTC)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment, with its zone (UTC)."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class FileClock:
    """The machine's clock, moved by the number of seconds in a file, so that several processes travel together.

    For trying out what a calendar does (expiry, renewal) without waiting for it; production refuses it.
    """

    path: Path

    def now(self) -> datetime:
        """Return the present moment moved by the file's seconds; a file that is not there moves nothing."""
        try:
            moved = float(self.path.read_text() or 0)
        except FileNotFoundError:
            moved = 0.0
        return datetime.now(UTC) + timedelta(seconds=moved)
