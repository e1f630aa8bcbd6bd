"""Connections of a run: what a request is made of goes out in one piece, and nothing is done twice for a call.

A run makes many hundreds of small calls, and httpcore2 writes head and body of each by themselves. Here what is written
waits for the first read, so that a call is one packet each way. Deadlines are those of the whole call: no read or write
has one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore2

__all__ = ["Sockets"]

_STEPS_APART = 0.25  # seconds between attempts at the addresses of one name (RFC 8305)


class _Connection(httpcore2.AsyncNetworkStream):
    """One connection; see the module."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._pending: list[bytes] = []
        self._socket = writer.get_extra_info("socket")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the base class's
        self._pending.append(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the base class's
        with contextlib.suppress(ConnectionError):  # who would not read a body may have answered all the same
            await self._flush()
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from None

    async def aclose(self) -> None:
        self._writer.close()
        await asyncio.sleep(0)  # what says goodbye in TLS is sent; nobody waits for the other side's
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's
    ) -> httpcore2.AsyncNetworkStream:
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except OSError as error:
            await self.aclose()
            raise httpcore2.ConnectError(str(error)) from None
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # of an idle connection: the other side has closed it
            return self._reader.at_eof() or _is_readable(self._socket.fileno())
        return self._writer.get_extra_info("ssl_object") if info == "ssl_object" else self._socket

    async def _flush(self) -> None:
        if self._pending:
            self._writer.write(b"".join(self._pending))
            self._pending.clear()
            await self._writer.drain()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class Sockets(httpcore2.AsyncNetworkBackend):
    """Makes connections; see the module."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to a port, by whichever of the host's addresses answers. Raises ``httpcore2.ConnectError``."""
        # Only where there is a choice: asyncio's race loses a socket when it is cancelled at the finish.
        delay = None if _is_address(host) else _STEPS_APART
        try:
            streams = await asyncio.open_connection(host, port, happy_eyeballs_delay=delay)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from None
        return _Connection(*streams)
