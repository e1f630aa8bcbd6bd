"""WebSockets: bound as requests are, and refused before they are accepted."""

from __future__ import annotations

import json

import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.middleware import AuthMiddleware, TenantMiddleware
from mt_paas.middleware.counters import MemoryCounters
from mt_paas.middleware.quotas import Quota, Window
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


@pytest.fixture
def open_socket(start):
    async def run(headers, **options):
        client = await start(websockets="websockets-sansio", **options)
        url = str(client.base_url).replace("http:", "ws:").rstrip("/")
        return connect(f"{url}/socket", additional_headers=headers, proxy=None)

    return run


async def refusal(opening) -> tuple[int, str]:
    """Return how the handshake was answered."""
    with pytest.raises(InvalidStatus) as refused:
        await opening
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body)["error"]


class TestWebSocket:
    async def test_has_its_tenant_while_it_lives_and_nothing_is_left(self, open_socket, directory, seen):
        async with await open_socket(directory.bearer()) as socket:
            told = json.loads(await socket.recv())
            await socket.send("enough")
        await seen.ended.wait()

        assert (told["tenant"], told["context"]) == ("hallym_univ", "hallym_univ")
        assert seen.after == [(None, None)]

    async def test_nothing_is_left_of_one_that_is_torn(self, open_socket, directory, seen):
        async with await open_socket(directory.bearer()) as socket:
            await socket.recv()
            socket.transport.abort()
            await seen.ended.wait()

        assert seen.after == [(None, None)]

    async def test_naming_another_tenant_is_refused_before_it_is_accepted(self, open_socket, directory):
        opening = await open_socket(directory.bearer() | {"X-Tenant-ID": "other_univ"})

        assert await refusal(opening) == (403, "tenant_forbidden")

    async def test_of_a_suspended_tenant_it_is_refused(self, open_socket, directory):
        directory.add("hallym_univ", TenantStatus.SUSPENDED)

        assert await refusal(await open_socket(directory.bearer())) == (403, "tenant_suspended")

    async def test_too_many_are_refused(self, open_socket, directory, seconds):
        counters, quota = MemoryCounters(seconds), Quota("basic", [Window(1, 60)])
        await counters.take(quota, "hallym_univ")

        opening = await open_socket(directory.bearer(), counters=counters, other=quota)

        assert await refusal(opening) == (429, "rate_limited")


class TestSession:
    """Browsers send cookies with every WebSocket, whichever page opens it."""

    @pytest.mark.parametrize(
        ("headers", "principal"),
        [
            ({}, "user-1"),
            ({"Origin": "https://notes.example"}, "user-1"),
            ({"Origin": "https://evil.example"}, None),
            ({"Origin": "null"}, None),
            ({"Origin": "https://notes.example.evil.example"}, None),
            ({"Origin": "https://notes.example", "Sec-Fetch-Site": "cross-site"}, None),
        ],
        ids=str,
    )
    async def test_only_the_services_own_pages_open_one(self, open_socket, directory, headers, principal):
        cookie = {"Cookie": f"mt_session={directory.log_in('hallym_univ')}"}

        async with await open_socket(cookie | headers, public_url="https://notes.example/app") as socket:
            told = json.loads(await socket.recv())
            await socket.send("enough")

        assert told["principal"] == principal

    async def test_a_page_of_the_same_host_opens_one(self, open_socket, directory):
        opening = await open_socket({"Cookie": f"mt_session={directory.log_in('hallym_univ')}"})
        opening.additional_headers["Origin"] = opening.uri.replace("ws:", "http:").removesuffix("/socket")

        async with opening as socket:
            told = json.loads(await socket.recv())
            await socket.send("enough")

        assert told["principal"] == "user-1"


async def test_a_server_without_answers_to_handshakes_is_told_to_close(directory, clock):
    sent = []

    async def app(scope, receive, send):
        raise AssertionError("it is refused before")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/socket",
        "query_string": b"",
        "headers": [
            (b"authorization", directory.bearer()["Authorization"].encode()),
            (b"x-tenant-id", b"other_univ"),
        ],
    }
    inner = TenantMiddleware(app, get_tenant=directory.get_tenant, clock=clock)
    await AuthMiddleware(inner, find_key=directory.find_key, clock=clock)(scope, None, send)

    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
    assert sent[0]["reason"].startswith("tenant_forbidden")
    assert len(sent[0]["reason"].encode()) <= 123
