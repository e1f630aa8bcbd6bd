"""A service that is still starting: waited for if asked to, and not judged before it answers."""

from __future__ import annotations

import asyncio
import socket

import pytest
from mt_paas.conformance import run
from mt_paas.errors import ConfigurationError

KEY = "a-key-of-the-market-0123456789"


HEALTHY = b'{"status":"healthy"}'


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(HEALTHY)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + HEALTHY)
    await writer.drain()
    writer.close()


async def test_a_service_is_waited_for_until_it_answers():
    place = socket.socket()
    place.bind(("127.0.0.1", 0))  # nobody listens there yet, and nobody else can
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match="nothing answers"):
        await run(url, KEY, only=["health"])
    running = asyncio.create_task(run(url, KEY, only=["Health Check"], wait=60))
    async with await asyncio.start_server(healthy, sock=place):
        report = await running
    assert [result.status for result in report.checks] == ["fail"]


async def test_the_wait_has_an_end():
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    with place, pytest.raises(ConfigurationError, match="nothing answers"):
        await run(f"http://127.0.0.1:{place.getsockname()[1]}", KEY, only=["health"], wait=0.2)
