"""The connections of a run: a call is one piece, a connection is used again, and one that was closed is not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from urllib.parse import urlsplit

import pytest
from mt_paas.conformance.expect import Violation
from mt_paas.conformance.service import Service, Unreachable
from mt_paas.conformance.sockets import Sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server that keeps what came in one piece, and answers each piece once; ``then`` is done after an answer."""

    def __init__(self, answer: bytes = OK, *, closes: bool = False) -> None:
        self.answer, self.closes = answer, closes
        self.pieces: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while piece := await reader.read(65536):
            self.pieces.append(piece)
            writer.write(self.answer)
            await writer.drain()
            if self.closes:
                break
        writer.close()
        self.gone.set()


@pytest.fixture
async def serve():
    servers = []

    async def begin(peer: Peer) -> str:
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield begin
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_head_and_body_of_a_call_are_one_piece(serve):
    url = await serve(peer := Peer())
    async with Service() as service:
        answer = await service.send("POST", f"{url}/a b?c=d", headers={"X-A": "1"}, content=b'{"body": 1}')
    (piece,) = peer.pieces
    assert piece.startswith(b"POST /a%20b?c=d HTTP/1.1\r\n")
    assert piece.endswith(b'\r\n\r\n{"body": 1}')
    assert (answer.status, answer.body) == (200, b"{}")


async def test_a_connection_is_used_again(serve):
    url = await serve(peer := Peer())
    async with Service() as service:
        for _ in range(3):
            await service.send("GET", f"{url}/", headers={})
    assert (peer.connections, len(peer.pieces)) == (1, 3)


async def test_one_that_the_service_closed_is_not(serve):
    url = await serve(peer := Peer(closes=True))
    async with Service() as service:
        for _ in range(3):
            peer.gone.clear()
            assert (await service.send("GET", f"{url}/", headers={})).status == 200
            await peer.gone.wait()
    assert peer.connections == 3


async def test_who_refuses_a_body_unread_is_heard(serve):
    url = await serve(Peer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", closes=True))
    async with Service() as service:
        exchanges = []
        with contextlib.suppress(Violation):  # the refusal may be lost with the connection (RFC 9112, section 9.6)
            await service.send("POST", f"{url}/", headers={}, content=b"x" * 5_000_000, record=exchanges)
    (exchange,) = exchanges
    assert exchange.status == 413 or exchange.trouble.startswith("broke off")


async def test_a_port_without_tls_is_told(serve):
    url = await serve(Peer(b"220 mail.example ESMTP\r\n"))
    async with Service() as service:
        with pytest.raises(Unreachable, match="SSL"):
            await service.send("GET", url.replace("http:", "https:"), headers={})


@pytest.mark.parametrize("steps", range(1, 9))
async def test_who_is_interrupted_while_it_connects_leaves_no_socket(serve, steps):
    address = urlsplit(await serve(Peer()))
    connecting = asyncio.create_task(Sockets().connect_tcp(address.hostname, address.port))
    for _ in range(steps):
        await asyncio.sleep(0)
    connecting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await connecting).aclose()
    del connecting
    gc.collect()  # what was left open warns now, and a warning is an error
