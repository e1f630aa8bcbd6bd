"""The simulated market: one service, its tenants, and the calls by which a market drives them.

It does what a market does, with the market's own client and state machine: a lifecycle call that was lost is sent again
with the same ``Idempotency-Key``, and what the service says it did is checked by asking for the status. Beside that it
judges: an answer that the contract does not allow is ``wrong``, and counted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar
from uuid import uuid4

from mt_paas.core.clock import Clock, utc_now
from mt_paas.core.lifecycle import TenantLifecycle
from mt_paas.errors import MtPaasError, ServiceCallError
from mt_paas.simulator.journal import Journal, Level
from mt_paas.simulator.knobs import Dice, Knobs
from mt_paas.simulator.line import Exchange, Line, Trip, on_a_trip
from mt_paas.simulator.masking import Mask
from mt_paas.simulator.registration import Registration
from mt_paas.simulator.tenants import Tenants
from mt_paas.simulator.verdicts import disagreement, reason, verdict
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.client import StandardAPIClient, Timeouts
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.transport import CheckedTransport

__all__ = ["Answered", "CannotDo", "Market", "Send"]

_ATTEMPTS = 3
_LONGEST_PAUSE = 5.0  # seconds
_OPERATION = 120.0  # seconds for what a service answers later
_EVERYWHERE = AddressPolicy(allow=["0.0.0.0/0", "::/0"])  # whose service it is said so by --target

Answer = TypeVar("Answer")
Send = Callable[[StandardAPIClient], Awaitable[Answer]]


class CannotDo(MtPaasError):
    """What was asked of the simulated market can not be done; the message says why, and what can."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[Answer]):
    """What a call was answered, and the exchange in which it was asked for."""

    answer: Answer
    exchange: Exchange


class Market:
    """See the module. An async context manager.

    ``events_url`` is where the service sends events to. ``timeout`` is in seconds, for one attempt at a call.
    """

    def __init__(
        self,
        registration: Registration,
        key: str,
        *,
        events_url: str = "http://127.0.0.1:8505/api/v1/events",
        knobs: Knobs | None = None,
        seed: int = 0,
        timeout: float = 10.0,
        clock: Clock = utc_now,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.registration = registration
        self.events_url = events_url
        self.clock = clock
        self.pause = pause
        self.journal = Journal(clock)
        self.mask = Mask(registration.key_header, [key])
        self.dice = Dice(seed)
        self.knobs = knobs or Knobs()
        self.tenants = Tenants(self.journal, clock)
        self.lifecycle = TenantLifecycle(self.tenants)
        self.faults = 0
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._key = key
        self._timeout = timeout
        self._client: StandardAPIClient | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._disconnect()
        self.journal.close()

    @property
    def manifest(self) -> Manifest:
        """The service's manifest. Raises ``CannotDo`` where there is none that can be used."""
        if self.registration.manifest is None:
            raise CannotDo(f"{self.registration.trouble}; mend it, then: reload")
        return self.registration.manifest

    async def register(self, registration: Registration) -> None:
        """Take the service as it presents itself now; its tenants stay."""
        self.registration = registration
        self.mask.key_header = registration.key_header
        await self._disconnect()
        await self._connect()

    def turn(self, changes: dict[str, float]) -> Knobs:
        """Change some knobs, and return all. Raises ``ConfigurationError``."""
        self.knobs = self.knobs.turned(changes)
        self.journal.note(Level.INFO, f"knobs: {self.knobs}")
        return self.knobs

    def find_fault(self, text: str, tenant_id: str | None = None) -> None:
        """Note that the service does not keep the contract, and count it."""
        self.faults += 1
        self.journal.note(Level.WRONG, text, tenant_id=tenant_id)

    async def ask(
        self, call: str, send: Send[Answer], tenant_id: str | None = None, *, is_calm: bool = False
    ) -> Answered[Answer]:
        """Make one call, and judge what comes back. Raises the ``ServiceCallError`` family, and ``CannotDo``."""
        return await self._ask(Trip(call, tenant_id, is_calm), send)

    async def drive(
        self, call: str, send: Send[Answer], tenant_id: str, *, trip: Trip | None = None
    ) -> Answered[Answer]:
        """Make a lifecycle call as a market does: lost, it is sent again; ``send`` sends the same each time.

        What the knobs say about repetition happens here: two answers to one request must agree. ``trip`` is for who
        wants to know when the request was sent.
        """
        trip = trip or Trip(call, tenant_id)
        trip.is_retried = True
        answered = await self._until_answered(trip, send)
        for earlier in trip.exchanges:
            if earlier.lost and earlier.body:
                self._compare(call, earlier, answered.exchange, tenant_id)
        if self.dice.falls(self.knobs.repeat, "repeat", call, tenant_id):
            await self.repeat(call, send, tenant_id, answered.exchange)
        return answered

    async def repeat(self, call: str, send: Send[Answer], tenant_id: str, first: Exchange) -> None:
        """Send a call once more, and say when it is answered otherwise than ``first``."""
        self.journal.note(Level.INFO, f"{call} {tenant_id} is sent once more (knob: repeat)", tenant_id=tenant_id)
        trip = Trip(call, tenant_id, is_calm=True)
        try:
            await self._ask(trip, send)
        except ServiceCallError as error:
            if not trip.exchanges or trip.begun.lost:
                self.find_fault(f"{call} {tenant_id} again: {reason(error)}", tenant_id)
                return
        self._compare(call, first, trip.begun, tenant_id)

    async def _until_answered(self, trip: Trip, send: Send[Answer]) -> Answered[Answer]:
        attempt = 1
        while True:
            try:
                return await self._ask(trip, send)
            except ServiceCallError as error:
                if not error.retryable or attempt == _ATTEMPTS:
                    raise
                delay = min(max(error.retry_after or 0, 0.2 * 2**attempt), _LONGEST_PAUSE)
                text = f"{trip.call} {trip.tenant_id} is tried again in {delay:g} s, with the same Idempotency-Key"
                self.journal.note(Level.INFO, text, tenant_id=trip.tenant_id)
            await self.pause(delay)
            attempt += 1

    async def _ask(self, trip: Trip, send: Send[Answer]) -> Answered[Answer]:
        if self._client is None:
            raise CannotDo(f"{self.registration.trouble}; mend it, then: reload")
        error: BaseException | None = None
        before = len(trip.exchanges)
        if not trip.is_calm and self.knobs.delay:
            await self.pause(self.knobs.delay)
        try:
            with on_a_trip(trip), in_call(CallContext(request_id=uuid4().hex)):
                answer = await send(self._client)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._judge(trip.exchanges[before:], error)
        return Answered(answer, trip.begun)

    def _judge(self, exchanges: list[Exchange], error: BaseException | None) -> None:
        for exchange in exchanges:
            level, says = verdict(exchange, error if exchange is exchanges[-1] else None)
            says = self.mask.text(says)
            self.faults += level is Level.WRONG
            assert exchange.entry is not None  # noqa: S101 - the line wrote it when it sent the request
            facts = self._line.facts(exchange, says)
            exchange.entry = self.journal.rewrite(exchange.entry, level, exchange.entry.text, facts)

    def _compare(self, call: str, first: Exchange, second: Exchange, tenant_id: str) -> None:
        if difference := disagreement(call, first, second):
            text = f"{call} {tenant_id}: the same request with the same Idempotency-Key was answered otherwise"
            self.find_fault(f"{text}: {difference}", tenant_id)

    async def _connect(self) -> None:
        if self.registration.manifest is None:
            return
        self._line = Line(
            CheckedTransport(_EVERYWHERE),
            self.journal,
            self.mask,
            self.dice,
            lambda: self.knobs,
        )
        self._client = StandardAPIClient(
            self.registration.manifest,
            self._key,
            transport=self._line,
            timeouts=Timeouts(connect=min(self._timeout, 5.0), total=self._timeout, operation=_OPERATION),
            pause=self.pause,
        )
        await self._client.__aenter__()

    async def _disconnect(self) -> None:
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None
