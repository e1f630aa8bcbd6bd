"""Where requests are counted: in memory, for one process, or in Redis, for several.

Both count in sliding windows (the ``sliding-window-counter`` of the ``limits`` library): no burst at the edge of a
window, three numbers a tenant and window. The library's own strategies are not used: its storage in memory starts a
task for each request that walks over every counter there is, and its Redis is asked twice for a decision and its
headers, and counts a request in one window that another refuses. Here a refused request counts in none, and Redis is
asked once, for all requests that come meanwhile. The library parses limits, and connects: to one Redis or Valkey, to
sentinels, to a cluster.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from typing import Any, NamedTuple, Protocol, cast

from mt_paas.errors import ConfigurationError, MissingExtraError
from mt_paas.middleware.quotas import Count, Quota, count

try:
    from limits.aio.storage import RedisStorage
    from limits.errors import ConfigurationError as WrongStorage
    from limits.storage import storage_from_string
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.middleware.counters", "rate-limit") from error

__all__ = ["Counters", "MemoryCounters", "RedisCounters"]

_PAUSE = 5.0  # seconds in which a Redis that was away is not asked
_TOGETHER = 100  # requests in one call at most
_log = logging.getLogger(__name__)

# A group is the requests of one tenant that wait together. Keys: one for each window of each group. Arguments: for each
# group how many requests it has and how many windows, then amount and milliseconds of each window. Answers, for each
# group, for each window, with the requests in it, those in the one before, and the milliseconds until it ends; then
# with how many requests of the group were counted.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local answer, place, said = {}, 0, 1
while said <= #ARGV do
  local windows, counted = {}, tonumber(ARGV[said])
  for number = 1, tonumber(ARGV[said + 1]) do
    local key = KEYS[place + number]
    local amount, length = tonumber(ARGV[said + 2 * number]), tonumber(ARGV[said + 2 * number + 1])
    local current_number = math.floor(now / length)
    local kept = redis.call('HMGET', key, 'number', 'current', 'previous')
    local current, previous = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
    if tonumber(kept[1]) ~= current_number then
      previous = tonumber(kept[1]) == current_number - 1 and current or 0
      current = 0
    end
    local ends_in = length - now % length
    counted = math.min(counted, math.max(0, amount - current - math.floor(previous * ends_in / length)))
    windows[number] = {key, current_number, current, previous, ends_in, length}
  end
  for _, window in ipairs(windows) do
    local key, current_number, current, previous, ends_in, length = unpack(window)
    if counted > 0 then
      current = current + counted
      redis.call('HSET', key, 'number', current_number, 'current', current, 'previous', previous)
      redis.call('PEXPIRE', key, 2 * length)
    end
    table.insert(answer, current)
    table.insert(answer, previous)
    table.insert(answer, ends_in)
  end
  table.insert(answer, counted)
  place = place + #windows
  said = said + 2 + 2 * #windows
end
return answer
"""


class Counters(Protocol):
    """Counts the requests of tenants."""

    async def take(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request, and return where each window of the quota is. What is refused counts in none."""

    async def close(self) -> None:
        """Close what is open."""


class MemoryCounters:
    """Counts in this process. ``clock`` counts seconds, and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[tuple[str, int], _Running] = {}
        self._sweep_at = 0.0

    async def take(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request; as :class:`Counters`."""
        return self.take_now(quota, tenant_id)

    def take_now(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request, which waits for nothing here."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep(now)
        if len(quota.windows) > 1:
            return self._take_of_several(quota, tenant_id, now)
        window = quota.windows[0]
        running = self._running.get((tenant_id, window.length))
        if running is None or now >= running.end:
            running = self._begin(tenant_id, window.length, now)
        left = window.amount - running.current
        if running.previous:
            left -= int(running.previous * (running.end - now) / window.length)
        if left <= 0:
            return [count(window, running.current, running.previous, running.end - now, counted=False)]
        running.current += 1
        return [Count(True, left - 1, int(running.end - now) + 1, 0)]  # noqa: FBT003 - a field of the value

    async def close(self) -> None:
        """Forget everything."""
        self._running.clear()

    def _take_of_several(self, quota: Quota, tenant_id: str, now: float) -> list[Count]:
        pairs = []
        for window in quota.windows:
            running = self._running.get((tenant_id, window.length))
            if running is None or now >= running.end:
                running = self._begin(tenant_id, window.length, now)
            pairs.append((window, running))
        fits = all(
            int(running.previous * (running.end - now) / window.length) + running.current < window.amount
            for window, running in pairs
        )
        for _, running in pairs:
            running.current += fits
        return [count(window, run.current, run.previous, run.end - now, counted=fits) for window, run in pairs]

    def _begin(self, tenant_id: str, length: int, now: float) -> _Running:
        """Begin the window in which ``now`` is; the one that ended with its begin becomes the one before."""
        begun = now // length * length
        before = self._running.get((tenant_id, length))
        previous = before.current if before is not None and before.end == begun else 0
        running = self._running[tenant_id, length] = _Running(begun + length, previous)
        return running

    def _sweep(self, now: float) -> None:
        """Forget the windows that weigh nothing any more, once a minute."""
        self._sweep_at = now + 60
        gone = [key for key, running in self._running.items() if now >= running.end + key[1]]
        for key in gone:
            del self._running[key]


class _Running:
    """A window that ends at ``end``, in seconds, and how many requests were in it, and in the one before it."""

    __slots__ = ("current", "end", "previous")

    def __init__(self, end: float, previous: int) -> None:
        self.end = end
        self.current = 0
        self.previous = previous


class RedisCounters:
    """Counts in Redis, or Valkey, at ``url``, under keys that begin with ``prefix``.

    One call is under way at a time; the requests that come meanwhile share the next. A Redis that does not answer
    within ``patience`` seconds stops nobody: this process counts in memory then, and asks again after five seconds.
    Raises :class:`~mt_paas.errors.ConfigurationError` for an address that is none.
    """

    def __init__(self, url: str, *, prefix: str, patience: float = 0.25) -> None:
        try:
            storage = storage_from_string(f"async+{url}", implementation="redispy")
        except (WrongStorage, ValueError) as error:
            raise ConfigurationError(
                f"the storage of rate limits can not be used: {type(error).__name__}. Write redis://host:6379/0, and "
                'pip install "mt-paas[redis]"'
            ) from None
        if not isinstance(storage, RedisStorage):
            raise ConfigurationError("rate limits are counted in memory, or in redis://… or valkey://…")
        kinds = storage.base_exceptions
        self._failures: tuple[type[Exception], ...] = (
            *(kinds if isinstance(kinds, tuple) else (kinds,)),
            OSError,
            TimeoutError,
        )
        self._client = cast("Any", storage.bridge).get_connection()
        self._script: Callable[..., Awaitable[list[int]]] = self._client.register_script(_TAKE)
        self._shares = storage.MODE != "CLUSTER"  # there the keys of one call have to be of one tenant
        self._prefix = prefix
        self._patience = patience
        self._spare = MemoryCounters()
        self._away_until = 0.0
        self._waiting: list[_Waiting] = []
        self._flight: asyncio.Task[None] | None = None

    async def take(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request; as :class:`Counters`."""
        if self._away_until and time.monotonic() < self._away_until:
            return self._spare.take_now(quota, tenant_id)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(quota, tenant_id, loop.create_future())
        self._waiting.append(waiting)
        if self._flight is None:
            # In an empty context: the call is for whoever waits, whichever tenant's request was the first.
            self._flight = loop.create_task(self._fly(), context=Context())
        return await waiting.counts or self._spare.take_now(quota, tenant_id)

    async def close(self) -> None:
        """Close the connections."""
        if self._flight is not None:
            await self._flight
        await self._client.aclose()

    async def _fly(self) -> None:
        together: list[_Waiting] = []
        try:
            while self._waiting:
                together = self._together()
                counts = await self._ask(together)
                for one, found in zip(together, counts, strict=True):
                    if not one.counts.done():  # who waited may have gone
                        one.counts.set_result(found)
        finally:
            self._flight = None
            left, self._waiting = [*together, *self._waiting], []
            for one in left:  # those of a call that was cut off: nobody else would tell them
                one.counts.cancel()

    def _together(self) -> list[_Waiting]:
        """Take those that share a call."""
        tenant_id = None if self._shares else self._waiting[0].tenant_id
        fitting = [one for one in self._waiting if tenant_id in {None, one.tenant_id}][:_TOGETHER]
        taken = {id(one) for one in fitting}
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        return fitting

    async def _ask(self, together: list[_Waiting]) -> list[list[Count]]:
        """Return what Redis says to each; nothing for any where it says nothing."""
        if self._away_until and time.monotonic() < self._away_until:  # since the call before, for which these waited
            return [[] for _ in together]
        groups: dict[tuple[str, Quota], int] = {}
        for one in together:
            group = one.tenant_id, one.quota
            groups[group] = groups.get(group, 0) + 1
        keys, arguments = [], []
        for (tenant_id, quota), several in groups.items():
            keys += [f"{self._prefix}:{{{tenant_id}}}:{window.length}" for window in quota.windows]
            arguments += [several, *quota.arguments]
        try:
            async with asyncio.timeout(self._patience):
                answer = iter(await self._script(keys, arguments))
        except self._failures as error:
            self._away_until = time.monotonic() + _PAUSE
            _log.warning("Redis does not count requests, so this process does: %s", type(error).__name__)
            return [[] for _ in together]
        self._away_until = 0.0
        counts = {group: _read(group[1], several, answer) for group, several in groups.items()}
        return [next(counts[one.tenant_id, one.quota]) for one in together]


class _Waiting(NamedTuple):
    """A request that waits for what Redis says of it; an empty list where it says nothing."""

    quota: Quota
    tenant_id: str
    counts: asyncio.Future[list[Count]]


def _read(quota: Quota, several: int, answer: Iterator[int]) -> Iterator[list[Count]]:
    """Return what was said of a group, for each of its requests in turn: those that came first are the counted ones."""
    states = [(window, next(answer), next(answer), next(answer) / 1000) for window in quota.windows]
    counted = next(answer)
    return (
        [
            count(window, current - max(0, counted - 1 - place), previous, ends_in, counted=place < counted)
            for window, current, previous, ends_in in states
        ]
        for place in range(several)
    )
