"""A transport of httpx2 that connects to checked addresses alone; everything else is httpcore2's.

The name of the host stays what it is for the ``Host`` header, for TLS (SNI) and for the check of the certificate:
only the socket goes to the address. The environment's proxies and certificates are not looked at.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import httpcore2
import httpx2

from mt_paas.standard_api.addresses import AddressPolicy

__all__ = ["CheckedTransport"]


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Sends each request over a connection of its own, to an address that ``policy`` has checked for it.

    Connections are not kept: a call that went into one that the service was just closing could not be told from one
    that was done and not answered.
    """

    def __init__(self, policy: AddressPolicy, *, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._tls = tls
        self._pools: dict[str, httpcore2.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send ``request``. Raises httpx2's errors, and ``AddressNotAllowed`` before anything was sent."""
        url = request.url
        assert isinstance(request.stream, httpx2.AsyncByteStream)  # noqa: S101 - what httpx2 promises its transports
        with _as_httpx2_errors():
            response = await self._pool(url.scheme).handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close what is open."""
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, scheme: str) -> httpcore2.AsyncConnectionPool:
        if scheme not in self._pools:
            self._pools[scheme] = httpcore2.AsyncConnectionPool(
                ssl_context=(self._tls or _public_authorities()) if scheme == "https" else None,
                max_connections=None,
                max_keepalive_connections=0,
                network_backend=_CheckedBackend(self._policy),
            )
        return self._pools[scheme]


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Opens sockets: resolves the host itself, has every address checked, and connects to the first that answers."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._policy.addresses(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, ValueError) as error:  # ValueError: a name that is too long, or an "address" that is none
            raise httpcore2.ConnectError(f"{host} was not resolved: {error}") from error
        for place, address in enumerate(addresses, start=1):
            # A dead address must not eat the time of those behind it: each gets its share of what is left.
            share = None if deadline is None else max(deadline - clock(), 0) / (len(addresses) - place + 1)
            try:
                return await self._sockets.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if place == len(addresses):
                    raise
        raise AssertionError("the policy returns at least one address")


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx2_errors():
            async for piece in self._response.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _as_httpx2_errors() -> Iterator[None]:
    try:
        yield
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        # The two libraries name these errors alike.
        same: type[httpx2.TransportError] = getattr(httpx2, type(error).__name__)
        raise same(str(error)) from error


@cache
def _public_authorities() -> ssl.SSLContext:
    """Return the TLS settings for public services, made once: reading the certificates takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)
