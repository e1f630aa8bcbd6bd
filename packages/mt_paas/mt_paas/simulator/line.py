"""The line between the simulated market and the service: what goes over it is noted, and hit by what the knobs say.

A :class:`Line` is a transport of httpx2, so the market's own client runs over it unchanged. It does two things to a
request, at the rate ``fail``, but never three times in a row: it hangs up as soon as it is sent, or waits for the
whole answer and then acts as if none had come. What was sent and what came is an :class:`Exchange`, in the journal at
once and when it is answered.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx2

from mt_paas.simulator.journal import Entry, Journal, Kind, Level
from mt_paas.simulator.knobs import Dice, Knobs
from mt_paas.simulator.masking import Mask
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES

__all__ = ["Exchange", "Line", "Trip", "on_a_trip"]

HANGS_UP, GIVES_UP = "hangs up", "gives up"
_UNREACHABLE = "no connection"
_TOLD = {
    HANGS_UP: "the market hung up after sending (knob: fail)",
    GIVES_UP: "the market gave up before it read the answer (knob: fail)",
}


@dataclass(slots=True)
class Exchange:
    """One request and what came back. ``lost`` says why no answer counts; ``body`` is there even of a lost one."""

    method: str
    url: str
    call: str
    tenant_id: str | None
    sent_headers: dict[str, str]
    sent_body: Any
    entry: Entry | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    lost: str = ""
    milliseconds: float = 0.0

    @property
    def is_excused(self) -> bool:
        """Whether the service did nothing wrong: the market hung up, or the service was not there at all."""
        return self.lost in {*_TOLD.values(), _UNREACHABLE}

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer as a JSON object; None where it is none."""
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return said if isinstance(said, dict) else None


@dataclass(slots=True)
class Trip:
    """One call of the market, with all that it takes to get an answer.

    ``is_calm``: the knobs leave it alone. ``is_retried``: it is sent again when it is lost, as a mere question is, and
    so may be lost.
    """

    call: str
    tenant_id: str | None = None
    is_calm: bool = False
    is_retried: bool = False
    exchanges: list[Exchange] = field(default_factory=list)
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_unlucky(self) -> bool:
        """Whether the knobs lost the last two attempts: a market makes three, and the third is to count."""
        last = self.exchanges[-2:]
        return len(last) == 2 and all(exchange.lost in _TOLD.values() for exchange in last)

    @property
    def begun(self) -> Exchange:
        """The last exchange but for questions how far a work is that the service answers later."""
        asked = [exchange for exchange in self.exchanges if exchange.method != "GET"]
        return (asked or self.exchanges)[-1]


_trip: ContextVar[Trip | None] = ContextVar("mt_paas_simulator_trip", default=None)


@contextmanager
def on_a_trip(trip: Trip) -> Iterator[None]:
    """Make what is sent within, in this task, part of ``trip``."""
    token = _trip.set(trip)
    try:
        yield
    finally:
        _trip.reset(token)


class Line(httpx2.AsyncBaseTransport):
    """See the module. ``knobs`` returns their present position."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        journal: Journal,
        mask: Mask,
        dice: Dice,
        knobs: Callable[[], Knobs],
    ) -> None:
        self._inner = inner
        self._journal = journal
        self._mask = mask
        self._dice = dice
        self._knobs = knobs

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send ``request`` as the knobs say."""
        trip = _trip.get() or Trip("other", is_calm=True)
        fate = self._fate(request, trip)
        exchange = self._begun(request, trip)
        began = time.perf_counter()
        finished = _Finish(exchange, began)
        try:
            if fate == HANGS_UP:
                await self._send_and_hang_up(request, trip)
                raise httpx2.ReadError(_TOLD[fate], request=request)  # noqa: TRY301 - ends like one that came by itself
            _watch(request, trip.sent.set)
            response = await self._inner.handle_async_request(request)
            exchange.status, exchange.headers = response.status_code, response.headers
            stream = _Recorded(response, exchange, finished)
            if fate == GIVES_UP:
                await _to_its_end(stream)
                raise httpx2.ReadTimeout(_TOLD[fate], request=request)  # noqa: TRY301
        except BaseException as error:
            finished(_why(error))
            raise
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    def _fate(self, request: httpx2.Request, trip: Trip) -> str:
        if trip.is_calm or not (trip.is_retried or request.method == "GET") or trip.is_unlucky:
            return ""
        call = f"{request.method} {trip.call}"  # how often an operation is asked for is a matter of time, not of dice
        if not self._dice.falls(self._knobs().fail, "fail", call, trip.tenant_id):
            return ""
        return self._dice.choose((HANGS_UP, GIVES_UP), "fate", call, trip.tenant_id)

    async def _send_and_hang_up(self, request: httpx2.Request, trip: Trip) -> None:
        sent = asyncio.Event()

        def note() -> None:
            sent.set()
            trip.sent.set()

        _watch(request, note)
        sending = asyncio.ensure_future(self._inner.handle_async_request(request))
        noticing = asyncio.ensure_future(sent.wait())
        try:
            await asyncio.wait({sending, noticing}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending.result().aclose()  # answered at once, or not reached at all: that is raised
        finally:
            for task in (sending, noticing):
                task.cancel()
            await asyncio.gather(sending, noticing, return_exceptions=True)

    def _begun(self, request: httpx2.Request, trip: Trip) -> Exchange:
        url = request.url
        exchange = Exchange(
            method=request.method,
            url=self._mask.text(url.raw_path.decode("ascii", "replace")),
            call=trip.call,
            tenant_id=trip.tenant_id,
            sent_headers=self._mask.headers(request.headers.multi_items()),
            sent_body=self._mask.body(request.content),
        )
        trip.exchanges.append(exchange)
        text = f"{exchange.method} {exchange.url}"
        exchange.entry = self._journal.write(
            Kind.CALL, Level.PENDING, text, tenant_id=trip.tenant_id, facts=self.facts(exchange)
        )
        return exchange

    def facts(self, exchange: Exchange, says: str = "") -> dict[str, Any]:
        """Return what the journal keeps of an exchange; ``says`` is what the contract says of it."""
        return {
            "call": exchange.call,
            "method": exchange.method,
            "url": exchange.url,
            "status": exchange.status,
            "milliseconds": round(exchange.milliseconds, 1),
            "lost": exchange.lost,
            "says": says,
            "request": {"headers": exchange.sent_headers, "body": exchange.sent_body},
            "response": {
                "headers": self._mask.headers(exchange.headers.items()),
                "body": self._mask.body(bytes(exchange.body)),
            },
        }


class _Finish:
    """Ends an exchange once, with the reason why it is lost, if it is."""

    def __init__(self, exchange: Exchange, began: float) -> None:
        self._exchange = exchange
        self._began: float | None = began

    def __call__(self, lost: str = "") -> None:
        if self._began is not None:
            self._exchange.milliseconds = (time.perf_counter() - self._began) * 1000
            self._exchange.lost = lost
            self._began = None
        elif lost:
            self._exchange.lost = lost


class _Recorded(httpx2.AsyncByteStream):
    """The body of an answer, which is kept while it is read."""

    def __init__(self, response: httpx2.Response, exchange: Exchange, finish: _Finish) -> None:
        self._response = response
        self._exchange = exchange
        self._finish = finish

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)  # noqa: S101 - what a transport returns
        try:
            async for piece in self._response.stream:
                if len(self._exchange.body) <= MAX_ANSWER_BYTES:
                    self._exchange.body += piece
                yield piece
        except (httpx2.TransportError, asyncio.CancelledError) as error:
            self._finish(_why(error))
            raise

    async def aclose(self) -> None:
        self._finish()
        await self._response.aclose()


async def _to_its_end(stream: _Recorded) -> None:
    read = 0
    try:
        async for piece in stream:
            read += len(piece)
            if read > MAX_ANSWER_BYTES:
                return
    finally:
        await stream.aclose()


def _watch(request: httpx2.Request, note: Callable[[], object]) -> None:
    """Call ``note`` when the request has been sent whole; who watched it already goes on watching."""
    watching = request.extensions.get("trace")

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if watching is not None:
            await watching(event, info)
        if event.endswith(".send_request_body.complete"):
            note()

    request.extensions = {**request.extensions, "trace": trace}


def _why(error: BaseException) -> str:
    if str(error) in _TOLD.values():
        return str(error)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return _UNREACHABLE
    if isinstance(error, asyncio.CancelledError | httpx2.TimeoutException):
        return "no whole answer in time"
    if isinstance(error, httpx2.RemoteProtocolError) and not str(error).startswith("Server disconnected"):
        return "answered by something that is not HTTP"
    if isinstance(error, httpx2.TransportError):
        return "the connection ended"
    return str(error) or type(error).__name__
