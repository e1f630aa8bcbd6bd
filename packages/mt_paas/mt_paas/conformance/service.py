"""The HTTP side of a run: kept connections, one call after another on each, and every call recorded.

A call ends by a deadline that no dripping answer stretches, and reads a bounded answer. What goes wrong on the way is a
:class:`~mt_paas.conformance.expect.Violation` that says it: a service that breaks HTTP breaks the rule that is tried.

A run makes many hundreds of calls, and most of its time would be the client's own. So this is httpcore2, which httpx2
stands on, with the connection that was used last first; an address goes out as it is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import httpcore2
import httpx2

from mt_paas.conformance.evidence import Exchange
from mt_paas.conformance.expect import Answer, Violation
from mt_paas.conformance.sockets import Sockets

__all__ = ["MAX_ANSWER_BYTES", "Service", "Unreachable"]

MAX_ANSWER_BYTES = 4 * 1024 * 1024
# Shorter than the five seconds after which servers commonly close an idle connection: so it is never just being closed.
_KEEP_ALIVE = 1.0
_OWN_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",  # a bounded answer: nothing that unfolds
    "User-Agent": "mt-paas-test",
}


class Unreachable(Violation):
    """There was no connection: nothing answers at the address."""


class Service:
    """Sends calls to the service under test. An async context manager. ``timeout`` is in seconds, for a whole call."""

    def __init__(self, *, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self._idle: defaultdict[str, list[httpcore2.AsyncHTTPConnection]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()
        self._idle.clear()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        record: list[Exchange] | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever it says. Redirects are not followed.

        Raises ``Unreachable`` without a connection, and ``Violation`` when no whole answer came in time.
        """
        if query:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
        exchange = Exchange(method, url, {**_OWN_HEADERS, "X-Request-ID": uuid4().hex, **headers}, content or b"")
        if record is not None:
            record.append(exchange)
        call = f"{method} {url.partition('?')[0] if len(url) > 200 else url}"
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout):
                await self._exchange(exchange, content)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            exchange.trouble = f"no connection: {str(error) or 'it took too long'}"
            raise Unreachable(f"{call} found no connection: {str(error) or 'it took too long'}", exchange) from None
        except (TimeoutError, httpcore2.TimeoutException):
            exchange.trouble = f"did not answer within {self.timeout:g} s"
            raise Violation(f"{call} did not answer within {self.timeout:g} s", exchange) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ValueError) as error:
            exchange.trouble = f"broke off: {str(error) or type(error).__name__}"
            raise Violation(f"{call} was not answered by whole HTTP: {error}", exchange) from None
        finally:
            exchange.duration_ms = (time.perf_counter() - began) * 1000
        return Answer(call, exchange.status or 0, exchange.response_headers, exchange.response_body, exchange)

    async def _exchange(self, exchange: Exchange, content: bytes | None) -> None:
        request = _request(exchange, content)
        async with self._connection(request.url.origin) as connection:
            response = await connection.handle_async_request(request)
            try:
                _acknowledge(response)
                body = bytearray()
                async for piece in response.aiter_stream():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        break
            finally:
                await response.aclose()
        exchange.status = response.status
        exchange.response_headers = _joined(response.headers)
        exchange.response_body = bytes(body)

    @contextlib.asynccontextmanager
    async def _connection(self, origin: httpcore2.Origin) -> AsyncIterator[httpcore2.AsyncHTTPConnection]:
        """Lend a connection that is free, the one that was used last, or else a new one."""
        idle = self._idle[str(origin)]
        connection = None
        while idle and connection is None:
            connection = idle.pop()
            if connection.has_expired() or not connection.is_available():
                await connection.aclose()
                connection = None
        if connection is None:
            tls = _authorities() if origin.scheme == b"https" else None
            connection = httpcore2.AsyncHTTPConnection(
                origin, ssl_context=tls, keepalive_expiry=_KEEP_ALIVE, network_backend=_SOCKETS
            )
        try:
            yield connection
        finally:
            if connection.is_idle() and not connection.is_closed():
                idle.append(connection)
            else:
                await connection.aclose()


_SOCKETS = Sockets()
_PARTS = re.compile(r"([^/?#]*(?://)?[^/?#]*)([^#]*).*", re.DOTALL)


def _request(exchange: Exchange, content: bytes | None) -> httpcore2.Request:
    origin, path = _PARTS.fullmatch(exchange.url).groups()  # type: ignore[union-attr]  # any text has these parts
    parts, host = _place(origin)
    target = quote(path if path.startswith("/") else f"/{path}", safe="/%?&=+:;,@!$'()*~._-[]|")
    headers = [("Host", host), *exchange.request_headers.items()]
    if content is not None or exchange.method in {"POST", "PUT", "PATCH"}:
        headers.append(("Content-Length", str(len(content or b""))))
    return httpcore2.Request(
        exchange.method,
        httpcore2.URL(scheme=parts.scheme, host=parts.host, port=parts.port, target=target.encode()),
        headers=[(name.encode(), value.encode()) for name, value in headers],
        content=content,
    )


@cache
def _place(origin: str) -> tuple[httpcore2.URL, str]:
    """Return where ``http://host:port`` is, and what the header Host says of it: the same for all calls of a run."""
    parts = urlsplit(origin)
    place = httpcore2.URL(scheme=parts.scheme.encode(), host=_ascii(parts.hostname or ""), port=parts.port, target=b"/")
    return place, parts.netloc.rpartition("@")[2]


def _ascii(host: str) -> bytes:
    return host.encode("ascii") if host.isascii() else host.encode("idna")


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in lower case; of those that came more than once, the values with commas."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@cache
def _authorities() -> ssl.SSLContext:
    """Return the TLS settings of the environment: reading certificates takes time, so it is done when needed."""
    return httpx2.create_ssl_context()


def _acknowledge(response: httpcore2.Response) -> None:
    """Acknowledge the head of an answer at once: many servers send the body only then, and it would take 40 ms."""
    stream = response.extensions.get("network_stream")
    raw = None if stream is None else stream.get_extra_info("socket")
    if raw is not None and hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
