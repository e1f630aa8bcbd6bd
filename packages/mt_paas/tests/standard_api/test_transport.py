"""Connections go to the address that was checked, while TLS and ``Host`` stay with the name."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest
import trustme
from mt_paas.errors import AddressNotAllowed
from mt_paas.standard_api import AddressPolicy
from mt_paas.standard_api.transport import CheckedTransport


class Server:
    """A small HTTP server that keeps connections open, and remembers them, the requests, and the names asked of TLS."""

    def __init__(self) -> None:
        self.conversations: list[asyncio.Task] = []
        self.requests: list[str] = []
        self.names: list[str | None] = []
        self.port = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.conversations.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while True:
                self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()
        await writer.wait_closed()

    @asynccontextmanager
    async def listen(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        server = await asyncio.start_server(self._answer, host, 0, ssl=tls)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
            await asyncio.gather(*self.conversations)


class Resolver:
    """Answers each question with the next of its answers, and counts them: what a rebinding name server does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


def calling(resolver: Resolver, tls: ssl.SSLContext | None = None, allow: str = "127.0.0.1") -> httpx2.AsyncClient:
    transport = CheckedTransport(AddressPolicy(allow=[allow], resolver=resolver), tls=tls)
    return httpx2.AsyncClient(transport=transport)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving_as(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class TestTheConnection:
    async def test_it_goes_to_the_checked_address_and_names_the_host(self):
        resolver = Resolver(["127.0.0.1"])
        async with Server().listen() as server, calling(resolver) as http:
            answer = await http.get(f"http://service.example:{server.port}/path")
        assert answer.text == "ok"
        assert resolver.asked == [("service.example", server.port)]
        assert f"host: service.example:{server.port}\r\n" in server.requests[0].lower()

    async def test_a_name_that_changes_its_mind_after_the_check_is_not_asked_again(self):
        resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
        async with Server().listen() as server, calling(resolver) as http:
            await http.get(f"http://rebinding.example:{server.port}/")
            assert len(resolver.asked) == 1
            with pytest.raises(AddressNotAllowed, match=r"127\.0\.0\.2"):
                await http.get(f"http://rebinding.example:{server.port}/")
        assert len(server.requests) == 1

    async def test_nothing_is_sent_to_an_address_that_may_not_be_called(self):
        async with Server().listen() as server, calling(Resolver(["127.0.0.1"]), allow="10.0.0.1") as http:
            with pytest.raises(AddressNotAllowed):
                await http.get(f"http://service.example:{server.port}/")
        assert server.requests == []

    async def test_an_address_that_is_dead_is_passed_over(self):
        async with (
            Server().listen(host="127.0.0.2") as server,
            calling(Resolver(["127.0.0.1", "127.0.0.2"]), allow="127.0.0.0/8") as http,
        ):
            assert (await http.get(f"http://service.example:{server.port}/")).text == "ok"

    async def test_connections_are_not_kept(self):
        async with Server().listen() as server, calling(Resolver(["127.0.0.1"], ["127.0.0.1"])) as http:
            for _ in range(2):
                await http.get(f"http://service.example:{server.port}/")
        assert (len(server.requests), len(server.conversations)) == (2, 2)

    async def test_the_environments_proxies_are_not_asked(self, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with Server().listen() as server, calling(Resolver(["127.0.0.1"])) as http:
            assert (await http.get(f"http://service.example:{server.port}/")).text == "ok"

    @pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("label too long")])
    async def test_a_name_that_is_not_resolved_is_a_failed_connection(self, error):
        async def failing(host: str, port: int) -> list[str]:
            raise error

        transport = CheckedTransport(AddressPolicy(resolver=failing))
        async with httpx2.AsyncClient(transport=transport) as http:
            with pytest.raises(httpx2.ConnectError, match=r"service\.example was not resolved"):
                await http.get("http://service.example/")

    async def test_a_resolver_that_never_answers_ends_with_the_time_to_connect(self):
        async def never(host: str, port: int) -> list[str]:
            await asyncio.Event().wait()
            return []

        transport = CheckedTransport(AddressPolicy(resolver=never))
        async with httpx2.AsyncClient(transport=transport, timeout=0.05) as http:
            with pytest.raises(httpx2.ConnectTimeout):
                await http.get("http://service.example/")


class TestTLS:
    async def test_the_certificate_is_checked_against_the_name_not_the_address(self, authority, trusting):
        tls = serving_as(authority, "service.example")
        async with Server().listen(tls) as server, calling(Resolver(["127.0.0.1"]), trusting) as http:
            assert (await http.get(f"https://service.example:{server.port}/")).text == "ok"
        assert server.names == ["service.example"]

    @pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
    async def test_a_certificate_for_another_name_is_refused(self, authority, trusting, name):
        tls = serving_as(authority, name)
        async with Server().listen(tls) as server, calling(Resolver(["127.0.0.1"]), trusting) as http:
            with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get(f"https://service.example:{server.port}/")
        assert server.requests == []

    async def test_an_authority_that_nobody_knows_is_refused(self, authority):
        tls = serving_as(authority, "service.example")
        async with Server().listen(tls) as server, calling(Resolver(["127.0.0.1"])) as http:
            with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get(f"https://service.example:{server.port}/")

    async def test_two_names_on_one_address_are_each_checked(self, authority, trusting):
        tls = serving_as(authority, "one.example")
        resolver = Resolver(["127.0.0.1"], ["127.0.0.1"])
        async with Server().listen(tls) as server, calling(resolver, trusting) as http:
            await http.get(f"https://one.example:{server.port}/")
            with pytest.raises(httpx2.ConnectError):
                await http.get(f"https://two.example:{server.port}/")
