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

# Keys: one for each window of each request. Arguments: for each request the number of its windows, then amount and
# milliseconds of each. Answers, for each request, for each window, with the requests in it, those in the one before,
# and the milliseconds until it ends; then with 1 if the request was counted.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local answer, place, said = {}, 0, 1
while said <= #ARGV do
  local windows, fits = {}, true
  for number = 1, tonumber(ARGV[said]) do
    local key = KEYS[place + number]
    local amount, length = tonumber(ARGV[said + 2 * number - 1]), tonumber(ARGV[said + 2 * number])
    local current_number = math.floor(now / length)
    local kept = redis.call('HMGET', key, 'number', 'current', 'previous')
    local current, previous = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
    if tonumber(kept[1]) ~= current_number then
      previous = tonumber(kept[1]) == current_number - 1 and current or 0
      current = 0
    end
    local ends_in = length - now % length
    if math.floor(previous * ends_in / length) + current >= amount then fits = false end
    windows[number] = {key, current_number, current, previous, ends_in, length}
  end
  for _, window in ipairs(windows) do
    local key, current_number, current, previous, ends_in, length = unpack(window)
    if fits then
      current = current + 1
      redis.call('HSET', key, 'number', current_number, 'current', current, 'previous', previous)
      redis.call('PEXPIRE', key, 2 * length)
    end
    table.insert(answer, current)
    table.insert(answer, previous)
    table.insert(answer, ends_in)
  end
  table.insert(answer, fits and 1 or 0)
  place = place + #windows
  said = said + 1 + 2 * #windows
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
    """Counts in this process. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, int], list[int]] = {}  # the window's number, the requests in it, and before it
        self._sweep_at = 0.0

    async def take(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request; as :class:`Counters`."""
        return self.take_now(quota, tenant_id)

    def take_now(self, quota: Quota, tenant_id: str) -> list[Count]:
        """Count one request, which waits for nothing here."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep(now)
        found, fits = [], True
        for window in quota.windows:
            amount, length = window
            number = int(now // length)
            state = self._windows.get((tenant_id, length))
            if state is None:
                state = self._windows[tenant_id, length] = [number, 0, 0]
            elif state[0] != number:
                state[:] = number, 0, state[1] if state[0] == number - 1 else 0
            ends_in = (number + 1) * length - now
            found.append((window, state, ends_in))
            if int(state[2] * ends_in / length) + state[1] >= amount:
                fits = False
        counts = []
        for window, state, ends_in in found:
            if fits:
                state[1] += 1
            counts.append(count(window, state[1], state[2], ends_in, fits))
        return counts

    async def close(self) -> None:
        """Forget everything."""
        self._windows.clear()

    def _sweep(self, now: float) -> None:
        """Forget the windows that weigh nothing any more, once a minute."""
        self._sweep_at = now + 60
        gone = [key for key, state in self._windows.items() if now >= (state[0] + 2) * key[1]]
        for key in gone:
            del self._windows[key]


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
        keys = [
            f"{self._prefix}:{{{one.tenant_id}}}:{window.length}" for one in together for window in one.quota.windows
        ]
        arguments = [argument for one in together for argument in one.quota.arguments]
        try:
            async with asyncio.timeout(self._patience):
                answer = iter(await self._script(keys, arguments))
        except self._failures as error:
            self._away_until = time.monotonic() + _PAUSE
            _log.warning("Redis does not count requests, so this process does: %s", type(error).__name__)
            return [[] for _ in together]
        self._away_until = 0.0
        return [_read(one.quota, answer) for one in together]


class _Waiting(NamedTuple):
    """A request that waits for what Redis says of it; an empty list where it says nothing."""

    quota: Quota
    tenant_id: str
    counts: asyncio.Future[list[Count]]


def _read(quota: Quota, answer: Iterator[int]) -> list[Count]:
    states = [(window, next(answer), next(answer), next(answer) / 1000) for window in quota.windows]
    counted = bool(next(answer))
    return [count(*state, counted) for state in states]
