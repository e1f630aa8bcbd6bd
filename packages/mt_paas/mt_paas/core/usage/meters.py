""":class:`UsageMeters`: counting what tenants use, cheaply enough to do in every request, and without losing a count.

A count is a line in this process's journal. A loop sums the journal up and adds the sums to the registry, each segment
exactly once; whatever a dead process left is added by the next that has the same folder. When the disk does not take a
line, and without a folder, counts wait in memory instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from mt_paas.core.for_tenant import tenant_id_or_bound
from mt_paas.core.manager import TenantManager
from mt_paas.core.usage.store import UsageStore
from mt_paas.core.usage.sums import COUNT, PEAK, Key, Sums, add, amount_text, head_of, sum_up
from mt_paas.errors import ConfigurationError, MtPaasError, ServiceNotReady

if TYPE_CHECKING:
    from mt_paas.core.usage.journal import Journal, Segment

__all__ = ["UsageMeters"]

#: The meters of the contract that are whole numbers.
_WHOLE = frozenset({"active_users", "ai_tokens", "api_calls"})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """Counts that are in memory alone, on their way to the registry."""

    sums: Sums = field(default_factory=dict)
    batch_id: str = field(default_factory=lambda: uuid4().hex)


class UsageMeters:
    """The meters of the tenants of ``manager``, with a journal in ``folder``; null is none.

    What was counted is in the registry after ``interval`` seconds at most; without a folder, at once.
    """

    def __init__(self, manager: TenantManager, folder: Path | None, interval: float = 5.0) -> None:
        self._manager = manager
        self._folder = folder
        self._interval = interval
        self._journal: Journal | None = None
        self._disk_fails = self._disk_failed = False
        self._lock = Lock()
        self._memory = _Batch()
        self._batches: list[_Batch] = []
        self._removed: list[str] = []
        self._flushing = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._is_away = False

    def count(self, meter: str, amount: float | Decimal = 1, *, tenant_id: str | None = None) -> None:
        """Add ``amount`` to what the tenant used of ``meter`` today: the tenant that is bound, unless one is named.

        When it returns, ``kill -9`` of this process loses nothing of it. It may be called in any thread, waits for no
        network, and does not fail when a disk or a database does. Raises ``ValueError`` for what is no meter or no
        amount, :class:`~mt_paas.errors.TenantNotBound`, and :class:`~mt_paas.errors.ServiceNotReady` before the service
        has started.
        """
        self._write(COUNT, meter, amount, tenant_id)

    def peak(self, meter: str, value: float | Decimal, *, tenant_id: str | None = None) -> None:
        """Note how high something stands now (seats, gigabytes): of a period the highest value counts. As ``count``."""
        self._write(PEAK, meter, value, tenant_id)

    async def totals(self, period: str, *, tenant_id: str | None = None) -> dict[str, float]:
        """Return what the tenant used in ``period``, ``2026-01`` or ``2026-01-03`` in UTC, by the names of its meters.

        What this process counted until now is in it, and what others counted ``interval`` seconds ago. Raises
        :class:`~mt_paas.errors.ServiceNotReady` when the registry does not answer, and
        :class:`~mt_paas.errors.TenantNotBound`.
        """
        wanted = tenant_id_or_bound(tenant_id)
        await self._flush_or_tell()
        return await self._manager.store(UsageStore).totals(wanted, period)

    async def flush(self) -> None:
        """Add what was counted until now to the registry. Raises :class:`~mt_paas.errors.ServiceNotReady`.

        What could not be added stays where it is, for the next time.
        """
        await asyncio.shield(asyncio.ensure_future(self._flush()))  # whose steps are not to be left half-done

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Add what is counted to the registry for as long as the context lasts, the last of it at the end.

        The manager must have started.
        """
        self._flushing, self._wake = asyncio.Lock(), asyncio.Event()  # a program's next life may have another loop
        self._journal = self._open_journal()
        self._loop = asyncio.get_running_loop()
        adding = asyncio.create_task(self._flush_until_stopped())
        try:
            yield
        finally:
            self._loop = None
            self._wake.set()
            await adding
            await self._flush_or_tell()
            self._close()

    def _write(self, kind: str, meter: str, amount: float | Decimal, tenant_id: str | None) -> None:
        if self._loop is None:
            raise ServiceNotReady("Usage can be counted once the service has started, and until it stops.")
        tenant_id = tenant_id_or_bound(tenant_id)
        before, after = _head(kind, tenant_id, meter)
        text = amount_text(amount)
        if meter in _WHOLE and amount != int(amount):
            raise ValueError(f"{meter} are counted in whole numbers, not {amount}")
        now = self._manager.clock()
        day = (now if now.tzinfo is UTC else now.astimezone(UTC)).date()
        journal = self._journal
        if journal is not None and not self._disk_fails:
            try:
                journal.append(f"{before}{day}{after}{text}\n".encode())
                return
            except OSError as error:
                self._tell_of_the_disk(error)
        self._remember(Key(tenant_id, day, meter, kind), Decimal(text))

    def _tell_of_the_disk(self, error: OSError) -> None:
        """Leave the disk alone until the next flush; of an outage the beginning is logged."""
        self._disk_fails = True
        if not self._disk_failed:
            _log.error(
                "the disk does not take usage (%s): it is counted in memory and added to the registry every %g s; "
                "what is counted in between is lost if this process is killed",
                error,
                self._interval,
            )
        self._disk_failed = True

    def _remember(self, key: Key, amount: Decimal) -> None:
        with self._lock:
            was_empty = not self._memory.sums
            add(self._memory.sums, key, amount)
        loop = self._loop
        if self._journal is None and was_empty and not self._is_away and loop is not None:
            loop.call_soon_threadsafe(self._wake.set)

    def _open_journal(self) -> Journal | None:
        if self._folder is None:
            return None
        try:
            from mt_paas.core.usage.journal import Journal  # here: it needs locks that Windows does not have
        except ModuleNotFoundError as error:
            raise ConfigurationError("this system has no flock: set MT_USAGE_JOURNAL=false") from error
        return Journal(self._folder / str(self._manager.identity.registry_id))

    def _close(self) -> None:
        """Let go of the journal, and say so if counts are nowhere but in this process."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        left = [*self._batches, self._memory]
        for key, amount in ((key, amount) for batch in left for key, amount in batch.sums.items()):
            _log.error("usage is lost: %s %s of tenant %s on %s", amount, key.meter, key.tenant_id, key.day)

    async def _flush_until_stopped(self) -> None:
        while self._loop is not None:
            await self._flush_or_tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()
            self._wake.clear()

    async def _flush_or_tell(self) -> None:
        """Flush; of an outage the beginning and the end are logged."""
        try:
            await self.flush()
        except (MtPaasError, OSError) as error:
            if not self._is_away:
                _log.error("usage can not be added to the registry, and is kept for later: %s", error)
            self._is_away = True
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is lost, and the next time comes
            _log.error("usage was not added to the registry, and is kept for later: %s", type(error).__name__)
        else:
            if self._is_away:
                _log.warning("usage is added to the registry again, and nothing is missing")
            self._is_away = False

    async def _flush(self) -> None:
        async with self._flushing:
            if self._journal is not None:
                await self._add_segments(self._journal)  # first: while the registry is away, one segment grows
                self._journal.end()
                await self._add_segments(self._journal)
                self._disk_fails = False
            await self._add_memory()

    async def _add_segments(self, journal: Journal) -> None:
        for segment in await asyncio.to_thread(journal.ended):
            sums, strange = await asyncio.to_thread(_read, segment)
            await self._add(segment.segment_id, sums)
            if strange:
                _log.error("%d lines of %s are no counts; the file is kept as *.strange", strange, segment.path)
            await asyncio.to_thread(journal.remove, segment, keep=strange > 0)
            self._removed.append(segment.segment_id)
            self._disk_failed = False

    async def _add_memory(self) -> None:
        with self._lock:
            if self._memory.sums:
                self._batches.append(self._memory)
                self._memory = _Batch()
        while self._batches:
            batch = self._batches[0]
            await self._add(batch.batch_id, batch.sums)
            del self._batches[0]
            self._removed.append(batch.batch_id)

    async def _add(self, batch_id: str, sums: Sums) -> None:
        removed = list(self._removed)
        if sums:
            await self._manager.store(UsageStore).add(batch_id, sums, removed=removed)
            del self._removed[: len(removed)]


@lru_cache(maxsize=16384)
def _head(kind: str, tenant_id: str, meter: str) -> tuple[str, str]:
    return head_of(kind, tenant_id, meter)


def _read(segment: Segment) -> tuple[Sums, int]:
    with segment.lines() as lines:
        return sum_up(lines)
