"""The log of a run: every exchange, every event that came, and what the market has to say; bounded, and followed live.

An entry may be written again (a call that was sent is written again when it is answered): it keeps its ``id`` and gets
a new ``sequence``, and who follows the journal gets it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_paas.core.clock import Clock, utc_now

__all__ = ["Entry", "Journal", "Kind", "Level"]

_KEPT = 2000  # entries


class Kind(StrEnum):
    """What an entry is about."""

    CALL = "call"
    EVENT = "event"
    NOTE = "note"


class Level(StrEnum):
    """How an entry is to be taken. ``wrong``: the contract says otherwise."""

    PENDING = "pending"
    INFO = "info"
    GOOD = "good"
    REFUSED = "refused"
    WARNING = "warning"
    WRONG = "wrong"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``facts`` are those of its kind, without secrets."""

    id: int
    sequence: int
    at: datetime
    kind: Kind
    level: Level
    text: str
    tenant_id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON has it."""
        at = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "id": self.id,
            "at": at,
            "kind": self.kind,
            "level": self.level,
            "text": self.text,
            "tenant_id": self.tenant_id,
            **self.facts,
        }


class Journal:
    """Takes entries, and gives them to whoever follows. Holds the last 2000."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._ids = 0
        self._sequence = 0
        self._grown = asyncio.Event()
        self._is_closed = False

    @property
    def last(self) -> int:
        """The sequence of the newest entry; 0 when there is none."""
        return self._sequence

    def write(
        self,
        kind: Kind,
        level: Level,
        text: str,
        *,
        tenant_id: str | None = None,
        facts: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """Add an entry, and return it."""
        self._ids += 1
        return self._add(Entry(self._ids, 0, at or self._clock(), kind, level, text, tenant_id, facts or {}))

    def note(self, level: Level, text: str, *, tenant_id: str | None = None) -> Entry:
        """Add what the market has to say."""
        return self.write(Kind.NOTE, level, text, tenant_id=tenant_id)

    def rewrite(self, entry: Entry, level: Level, text: str, facts: dict[str, Any]) -> Entry:
        """Write ``entry`` again, as it is known now."""
        return self._add(replace(entry, level=level, text=text, facts=facts))

    def since(self, sequence: int) -> list[Entry]:
        """Return the entries after ``sequence``, each in its newest form, in the order in which they got it."""
        newest = {entry.id: entry for entry in self._entries}
        return [entry for entry in self._entries if entry.sequence > sequence and newest[entry.id] is entry]

    def texts(self, *levels: Level) -> list[str]:
        """Return what the entries say, all of them or those of some levels; for tests of a service."""
        return [entry.text for entry in self.since(0) if not levels or entry.level in levels]

    async def follow(self, sequence: int = 0) -> AsyncIterator[Entry]:
        """Yield the entries after ``sequence`` and each that comes, until the journal is closed."""
        while True:
            grown = self._grown
            for entry in self.since(sequence):
                sequence = entry.sequence
                yield entry
            if grown is not self._grown:
                continue
            if self._is_closed:
                return
            await grown.wait()

    def close(self) -> None:
        """End every :meth:`follow`, after what there is."""
        self._is_closed = True
        self._wake()

    def _add(self, entry: Entry) -> Entry:
        self._sequence += 1
        entry = replace(entry, sequence=self._sequence)
        self._entries.append(entry)
        self._wake()
        return entry

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
