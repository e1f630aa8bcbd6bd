"""For which tenant a request is, from whom a name counts, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from mt_paas.core.context import current_tenant_id
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ConfigurationError
from mt_paas.middleware import AuthMiddleware, TenantMiddleware
from mt_paas.middleware.naming import Naming, TrustedProxies

LOOPBACK = ("127.0.0.0/8",)
EVERY_WAY = Naming(domain="notes.example", query=True)


def by(way: str, name: str) -> dict:
    """Return what names a tenant in that way, for a request."""
    return {
        "header": {"headers": {"X-Tenant-ID": name}},
        "sub-domain": {"headers": {"Host": f"{name}.Notes.example:8601"}},
        "query": {"params": {"tenant_id": name}},
    }[way]


def merged(*parts: dict) -> dict:
    return {kind: {k: v for part in parts for k, v in part.get(kind, {}).items()} for kind in ("headers", "params")}


WAYS = ["header", "sub-domain", "query"]


class TestWithoutPrincipal:
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_name_from_anybody_binds_nothing(self, start, way):
        client = await start(naming=EVERY_WAY)

        answer = await client.get("/tell", **by(way, "hallym_univ"))

        assert (answer.status_code, answer.json()["tenant"]) == (200, None)

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_name_from_a_trusted_proxy_binds(self, start, way):
        client = await start(naming=EVERY_WAY, proxies=LOOPBACK)

        assert (await client.get("/tell", **by(way, "hallym_univ"))).json()["tenant"] == "hallym_univ"

    async def test_the_header_goes_before_the_sub_domain_and_that_before_the_query(self, start, directory):
        client = await start(naming=EVERY_WAY, proxies=LOOPBACK)
        directory.add("third_univ")
        header, domain = by("header", "hallym_univ"), by("sub-domain", "other_univ")
        query = by("query", "third_univ")

        assert (await client.get("/tell", **merged(header, domain, query))).json()["tenant"] == "hallym_univ"
        assert (await client.get("/tell", **merged(domain, query))).json()["tenant"] == "other_univ"

    @pytest.mark.parametrize(
        ("way", "naming"),
        [("header", Naming(header=None)), ("sub-domain", Naming()), ("query", Naming())],
    )
    async def test_a_way_that_is_switched_off_is_not_looked_at(self, start, directory, way, naming):
        client = await start(naming=naming, proxies=LOOPBACK)

        unbound = await client.get("/tell", **by(way, "hallym_univ"))
        bound = await client.get("/tell", **merged(by(way, "other_univ"), {"headers": directory.bearer()}))

        assert (unbound.status_code, unbound.json()["tenant"]) == (200, None)
        assert bound.json()["tenant"] == "hallym_univ"

    async def test_www_is_no_tenant(self, start):
        client = await start(naming=EVERY_WAY, proxies=LOOPBACK)

        assert (await client.get("/tell", headers={"Host": "www.notes.example"})).json()["tenant"] is None
        assert (await client.get("/tell", headers={"Host": "notes.example"})).json()["tenant"] is None
        assert (await client.get("/tell", headers={"Host": "hallym_univ.evil.example"})).json()["tenant"] is None

    async def test_a_key_that_is_none_takes_the_proxys_word_away(self, start):
        client = await start(proxies=LOOPBACK)

        answer = await client.get("/tell", headers={"X-Tenant-ID": "hallym_univ", "Authorization": "Bearer mtk_no"})

        assert answer.json()["tenant"] is None

    async def test_a_tenant_that_is_not_there_is_not_found(self, start):
        client = await start(proxies=LOOPBACK)

        answer = await client.get("/tell", headers={"X-Tenant-ID": "nobody_univ"})

        assert (answer.status_code, answer.json()["error"]) == (404, "tenant_not_found")


class TestWithPrincipal:
    @pytest.mark.parametrize("proxies", [(), LOOPBACK])
    @pytest.mark.parametrize("way", WAYS)
    async def test_naming_another_tenant_is_refused(self, start, directory, way, proxies):
        client = await start(naming=EVERY_WAY, proxies=proxies)

        answer = await client.get("/tell", **merged(by(way, "other_univ"), {"headers": directory.bearer()}))

        assert (answer.status_code, answer.json()["error"]) == (403, "tenant_forbidden")
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("way", WAYS)
    async def test_naming_its_own_is_fine(self, start, directory, way):
        client = await start(naming=EVERY_WAY)

        answer = await client.get("/tell", **merged(by(way, "hallym_univ"), {"headers": directory.bearer()}))

        assert answer.json()["tenant"] == "hallym_univ"

    async def test_one_right_name_does_not_cover_a_wrong_one(self, start, directory):
        client = await start(naming=EVERY_WAY)
        own = {"headers": directory.bearer()}

        answer = await client.get("/tell", **merged(by("header", "hallym_univ"), by("query", "other_univ"), own))

        assert answer.status_code == 403

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (TenantStatus.SUSPENDED, "tenant_suspended"),
            (TenantStatus.DEACTIVATED, "tenant_deactivated"),
            (TenantStatus.PENDING, "tenant_deactivated"),
            (TenantStatus.PURGED, "tenant_deactivated"),
        ],
    )
    async def test_a_tenant_that_is_not_open_is_blocked_on_every_route(self, start, directory, status, error):
        client = await start()
        headers = directory.bearer("closed_univ")
        directory.add("closed_univ", status)

        answer = await client.get("/tell", headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (403, error)

    async def test_a_deactivation_that_was_scheduled_blocks_at_its_time(self, start, directory, clock):
        client, headers = await start(), directory.bearer()
        open_tenant = directory.tenants["hallym_univ"]
        directory.tenants["hallym_univ"] = replace(open_tenant, deactivate_at=clock() + timedelta(minutes=1))

        before = await client.get("/tell", headers=headers)
        clock.move(minutes=1)
        after = await client.get("/tell", headers=headers)

        assert (before.status_code, after.status_code) == (200, 403)

    async def test_an_updating_tenant_is_open(self, start, directory):
        client = await start()
        directory.add("hallym_univ", TenantStatus.UPDATING)

        assert (await client.get("/tell", headers=directory.bearer())).status_code == 200


class TestHostileNames:
    NAMES = ("", "zq", "UPPER_univ", "../../etc", "a b", "hallym_univ,other_univ", "<script>", "x" * 5000, "é" * 9)

    @pytest.mark.parametrize("proxies", [(), LOOPBACK])
    @pytest.mark.parametrize("name", NAMES)
    async def test_what_is_no_id_is_refused_and_not_repeated(self, start, directory, name, proxies):
        client = await start(proxies=proxies)
        header = [(b"X-Tenant-ID", name.encode("latin-1"))]

        for headers in (header, [*header, (b"Authorization", directory.bearer()["Authorization"].encode())]):
            answer = await client.get("/tell", headers=headers)

            assert (answer.status_code, answer.json()["error"]) == (400, "tenant_unclear")
            assert not name or name not in answer.text

    async def test_bytes_that_are_no_text_are_refused(self, start):
        client = await start()

        answer = await client.get("/tell", headers=[(b"X-Tenant-ID", b"\xff\xfe\x80")])

        assert answer.status_code == 400

    async def test_two_headers_that_differ_are_refused_and_two_that_agree_are_one(self, start, directory):
        client = await start(proxies=LOOPBACK)
        pair = [("X-Tenant-ID", "hallym_univ"), ("X-Tenant-ID", "other_univ")]

        unclear = await client.get("/tell", headers=pair)
        foreign = await client.get("/tell", headers=[*pair, *directory.bearer().items()])
        same = await client.get("/tell", headers=[pair[0], pair[0]])

        assert (unclear.status_code, unclear.json()["error"]) == (400, "tenant_unclear")
        assert (foreign.status_code, foreign.json()["error"]) == (403, "tenant_forbidden")
        assert same.json()["tenant"] == "hallym_univ"

    async def test_a_query_that_names_two_is_refused(self, start):
        client = await start(naming=EVERY_WAY, proxies=LOOPBACK)

        answer = await client.get("/tell?tenant_id=hallym_univ&tenant_id=other_univ")

        assert answer.status_code == 400

    async def test_a_deeper_sub_domain_is_no_tenant(self, start):
        client = await start(naming=EVERY_WAY, proxies=LOOPBACK)

        answer = await client.get("/tell", headers={"Host": "a.hallym_univ.notes.example"})

        assert answer.status_code == 400


class TestTrustedProxies:
    @pytest.mark.parametrize(
        ("networks", "client", "trusted"),
        [
            ((), ("10.0.0.1", 5000), False),
            (("10.0.0.0/8",), ("10.0.0.1", 5000), True),
            (("10.0.0.0/8",), ("11.0.0.1", 5000), False),
            (("10.0.0.0/8",), ("::ffff:10.0.0.1", 5000), True),
            (("fd00::/8",), ("fd00::1", 5000), True),
            (("10.0.0.0/8",), ("10.0.0.1", 0), False),  # what a proxy said, not who it is
            (("10.0.0.0/8",), None, False),
            (("0.0.0.0/0",), ("", 5000), False),
            (("0.0.0.0/0",), ("testclient", 5000), False),
        ],
    )
    def test_the_connection_itself_has_to_come_from_one(self, networks, client, trusted):
        assert TrustedProxies(networks).sent({"client": client}) is trusted

    def test_what_is_no_network_is_told(self):
        with pytest.raises(ConfigurationError, match=r"10\.0\.0\.1/8"):
            TrustedProxies(["10.0.0.1/8"])


class TestAfterwards:
    """Nothing of a tenant is left when its request is over, however it ended."""

    async def test_after_an_answer(self, start, directory, seen):
        client = await start()

        await client.get("/tell", headers=directory.bearer())

        assert seen.after == [(None, None)]

    async def test_after_a_handler_that_fails(self, start, directory, seen):
        client = await start()

        answer = await client.get("/broken", headers=directory.bearer())

        assert (answer.status_code, seen.after) == (500, [(None, None)])

    async def test_a_stream_has_it_to_its_end(self, start, directory, seen):
        client = await start()

        answer = await client.get("/stream", headers=directory.bearer())

        assert (answer.text, seen.after) == ("hallym_univ\nhallym_univ\n", [(None, None)])

    async def test_a_stream_is_not_held_back(self, start, directory, seen):
        client = await start()

        async with client.stream("GET", "/stream?endless=true", headers=directory.bearer()) as answer:
            first = await anext(answer.aiter_text())

        assert first == "hallym_univ\n"
        await seen.ended.wait()  # the caller went away
        assert seen.after == [(None, None)]

    async def test_after_a_request_that_is_cancelled(self, directory, clock):
        started, left = asyncio.Event(), []
        scope = {
            "type": "http",
            "path": "/",
            "query_string": b"",
            "headers": [(b"authorization", directory.bearer()["Authorization"].encode())],
        }

        async def hang(scope, receive, send):
            assert current_tenant_id() == "hallym_univ"
            started.set()
            await asyncio.Event().wait()

        inner = TenantMiddleware(hang, get_tenant=directory.get_tenant, clock=clock)
        app = AuthMiddleware(inner, find_key=directory.find_key, clock=clock)

        async def request():
            try:
                await app(scope, None, None)
            finally:
                left.append((current_tenant_id(), scope["state"]))

        task = asyncio.create_task(request())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert left == [(None, {})]

    async def test_requests_at_once_do_not_see_each_other(self, start, directory):
        client = await start()
        mine, others = directory.bearer("hallym_univ"), directory.bearer("other_univ")

        answers = await asyncio.gather(*[client.get("/tell", headers=headers) for headers in [mine, others, {}] * 10])

        told = [(answer.json()["tenant"], answer.json()["context"]) for answer in answers]
        assert told == [("hallym_univ", "hallym_univ"), ("other_univ", "other_univ"), (None, None)] * 10

    async def test_the_lifespan_passes(self, start, directory, clock):
        passed = []

        async def app(scope, receive, send):
            passed.append((scope["type"], "state" in scope))

        await AuthMiddleware(
            TenantMiddleware(app, get_tenant=directory.get_tenant, clock=clock),
            find_key=directory.find_key,
            clock=clock,
        )({"type": "lifespan"}, None, None)

        assert passed == [("lifespan", False)]
