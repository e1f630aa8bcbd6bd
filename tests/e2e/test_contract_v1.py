"""The Standard API v1, spoken over real HTTP to both services: the one on mt_paas, and the one on the contract alone.

They are served in this process, so that the tests can move their clock; each has one server for all tests here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from mt_paas.testing.doubles import serve
from mt_paas.testing.tenants import drop_registry
from plain_service.app import create_app

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY, SECOND_KEY = "the-markets-key-0123456789", "its-successor-9876543210"
PUBLIC_URL = "https://notes.example"
_numbers = itertools.count(1)


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Market:
    """A market that drives one service, and sees its answers as they are."""

    def __init__(self, client: httpx2.AsyncClient, clock: Clock) -> None:
        self.client, self.clock = client, clock

    @staticmethod
    def body(tenant_id: str, **changes: object) -> dict[str, object]:
        return {
            "tenant_id": tenant_id,
            "tenant_name": "한림대학교",
            "plan": "premium",
            "features": ["notes"],
            "config": {"max_users": 500, "storage_limit_gb": 100},
            "admin": {"email": "admin@hallym.ac.kr", "name": "홍길동"},
        } | changes

    async def activate(self, tenant_id: str, *, key: str | None = None, **changes: object) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.post(tenant_id, "activate", self.body(tenant_id, **changes), headers)

    async def deactivate(self, tenant_id: str, **changes: object) -> httpx2.Response:
        body = {"reason": "admin_request", "preserve_data": True} | changes
        return await self.post(tenant_id, "deactivate", body)

    async def post(
        self, tenant_id: str, call: str, body: object, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return await self.client.post(f"/mt/tenant/{tenant_id}/{call}", json=body, headers=headers)

    async def get(self, tenant_id: str, call: str, **query: str) -> httpx2.Response:
        return await self.client.get(f"/mt/tenant/{tenant_id}/{call}", params=query)

    async def status(self, tenant_id: str) -> str:
        answer = await self.get(tenant_id, "status")
        return answer.json()["status"] if answer.status_code == 200 else answer.json()["error"]

    async def user(self, activated: httpx2.Response) -> User:
        """Become the administrator of the tenant that was activated: use the set-up link."""
        answer = await self.client.post(link_of(activated))
        return User(self.client, answer.json()["access_key"])


class User:
    """Somebody with an access key."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {key}"}

    async def write(self, text: object) -> httpx2.Response:
        return await self._client.post("/app/notes", json={"text": text}, headers=self._headers)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self._client.get(path, headers=self._headers | headers)

    async def notes(self) -> list[str]:
        return [note["text"] for note in (await self.get("/app/notes")).json()]


def link_of(activated: httpx2.Response) -> str:
    """Return the set-up link without the public address, under which nobody answers here."""
    url = activated.json()["admin_credentials"]["setup_url"]
    assert url.startswith(f"{PUBLIC_URL}/")
    return url.removeprefix(PUBLIC_URL)


def at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


@asynccontextmanager
async def on_mt_paas(clock, tmp_path, server, monkeypatch) -> AsyncIterator[object]:
    name = f"test_contract_{os.getpid()}_{secrets.token_hex(3)}"
    server.create_database(name)
    monkeypatch.setenv("MT_DATABASE_URL", server.url(name))
    monkeypatch.setenv("MT_API_KEYS", f"{KEY},{SECOND_KEY}")
    monkeypatch.setenv("MT_PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("MT_TENANT_PREFIX", f"t{secrets.token_hex(3)}_")
    monkeypatch.delitem(sys.modules, "sample_service.app", raising=False)
    from sample_service.app import app

    app.state.mt_paas.manager.clock = clock
    yield app
    drop_registry(server.url(name))
    server.drop_database(name)


@asynccontextmanager
async def on_the_contract_alone(clock, tmp_path, server, monkeypatch) -> AsyncIterator[object]:
    yield create_app(tmp_path, [KEY, SECOND_KEY], PUBLIC_URL, clock)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param(on_mt_paas, id="sample_service"),
        pytest.param(on_the_contract_alone, id="plain_service"),
    ],
)
async def market(request, tmp_path_factory, postgres_server) -> AsyncIterator[Market]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with (
            request.param(clock, tmp_path_factory.mktemp("home"), postgres_server, monkeypatch) as app,
            serve(app) as url,
            httpx2.AsyncClient(base_url=url, headers={"X-Market-API-Key": KEY}) as client,
        ):
            yield Market(client, clock)


@pytest.fixture
def tenant_id() -> str:
    return f"univ_{next(_numbers)}"


def refused(answer: httpx2.Response, status: int, error: str) -> bool:
    """Tell whether the answer is this refusal, in the contract's one error shape."""
    body = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "error", "message", "request_id", "retryable"} <= body.keys()
    assert body["status"] == answer.status_code
    assert (answer.status_code, body["error"]) == (status, error)
    return True


class TestHealth:
    async def test_needs_no_key(self, market):
        answer = await market.client.get("/mt/health", headers={"X-Market-API-Key": ""})

        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy"
        assert when(answer.json()["timestamp"]).tzinfo is not None


class TestKey:
    @pytest.mark.parametrize("key", ["", "wrong-key-0123456789", KEY[:-1], f"{KEY} "[:-2]])
    async def test_a_wrong_one_is_refused(self, market, tenant_id, key):
        answer = await market.client.get(f"/mt/tenant/{tenant_id}/status", headers={"X-Market-API-Key": key})

        assert refused(answer, 401, "invalid_api_key")

    async def test_a_wrong_one_learns_nothing_more(self, market):
        answer = await market.client.post("/mt/tenant/NOT-VALID/activate", headers={"X-Market-API-Key": "wrong"})

        assert refused(answer, 401, "invalid_api_key")

    async def test_two_are_good_during_a_rotation(self, market, tenant_id):
        answer = await market.client.get(f"/mt/tenant/{tenant_id}/status", headers={"X-Market-API-Key": SECOND_KEY})

        assert refused(answer, 404, "tenant_not_found")


class TestActivate:
    async def test_makes_the_tenant_active(self, market, tenant_id):
        answer = await market.activate(tenant_id)

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["tenant_id"]) == ("activated", tenant_id)
        assert answer.json()["access_url"] == f"{PUBLIC_URL}/app/{tenant_id}"
        assert await market.status(tenant_id) == "active"

    async def test_an_equal_body_again_answers_the_same(self, market, tenant_id):
        first = await market.activate(tenant_id, key="one")
        again = await market.activate(tenant_id, key="two")

        assert (again.status_code, again.json()) == (200, first.json())

    async def test_fields_that_nobody_knows_make_no_other_body(self, market, tenant_id):
        first = await market.activate(tenant_id)
        again = await market.activate(tenant_id, from_the_future=True)

        assert (again.status_code, again.json()) == (200, first.json())

    async def test_the_same_idempotency_key_again_answers_the_same(self, market, tenant_id):
        first = await market.activate(tenant_id, key="one")
        again = await market.activate(tenant_id, key="one", tenant_name="A late correction")

        assert (again.status_code, again.json()) == (200, first.json())

    async def test_another_body_is_refused(self, market, tenant_id):
        await market.activate(tenant_id, key="one")

        answer = await market.activate(tenant_id, key="two", plan="basic")

        assert refused(answer, 409, "tenant_already_exists")
        assert (await market.get(tenant_id, "status")).json()["plan"] == "premium"

    async def test_the_answer_holds_no_password(self, market, tenant_id):
        answer = await market.activate(tenant_id)

        assert answer.json()["admin_credentials"].keys() == {"setup_url", "expires_at"}

    async def test_at_once_make_one_tenant(self, market, tenant_id):
        answers = await asyncio.gather(*(market.activate(tenant_id) for _ in range(5)))

        assert {answer.status_code for answer in answers} <= {200, 409}
        done = [answer.json() for answer in answers if answer.status_code == 200]
        assert done
        assert all(answer == done[0] for answer in done)
        assert all(
            refused(answer, 409, "operation_in_progress") and answer.json()["retryable"]
            for answer in answers
            if answer.status_code == 409
        )

    @pytest.mark.parametrize("tenant_id", ["ab", "Hallym", "-hallym", "hallym-", "a" * 64, "hal.lym", "hal%0Alym"])
    async def test_an_id_that_could_do_harm_is_refused(self, market, tenant_id):
        assert refused(await market.activate(tenant_id), 422, "invalid_tenant_id")

    async def test_path_and_body_must_agree(self, market, tenant_id):
        answer = await market.post(tenant_id, "activate", market.body("another_univ"))

        assert refused(answer, 422, "tenant_id_mismatch")

    async def test_a_plan_that_the_service_does_not_have_is_refused(self, market, tenant_id):
        assert refused(await market.activate(tenant_id, plan="platinum"), 422, "invalid_plan")

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"tenant_name": ""}, "tenant_name"),
            ({"tenant_name": 5}, "tenant_name"),
            ({"plan": None}, "plan"),
            ({"features": "notes"}, "features"),
            ({"config": []}, "config"),
            ({"config": {"max_users": "5"}}, "config.max_users"),
            ({"config": {"max_users": True}}, "config.max_users"),
            ({"config": {"storage_limit_gb": -1}}, "config.storage_limit_gb"),
            ({"admin": {"email": "nobody", "name": "Nobody"}}, "admin.email"),
            ({"admin": {"email": "a@b.kr"}}, "admin.name"),
        ],
    )
    async def test_a_body_that_is_not_valid_is_refused_with_the_path(self, market, tenant_id, changes, path):
        answer = await market.activate(tenant_id, **changes)

        assert refused(answer, 422, "invalid_body")
        assert [fault["path"] for fault in answer.json()["details"]] == [path]

    async def test_every_fault_is_told_at_once(self, market, tenant_id):
        answer = await market.activate(tenant_id, tenant_name="", admin={"email": "nobody", "name": ""})

        assert refused(answer, 422, "invalid_body")
        assert {fault["path"] for fault in answer.json()["details"]} == {"tenant_name", "admin.email", "admin.name"}

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"tenant_id": NaN}', b"[" * 100_000])
    async def test_what_is_no_json_object_is_refused(self, market, tenant_id, raw):
        headers = {"Content-Type": "application/json"}
        answer = await market.client.post(f"/mt/tenant/{tenant_id}/activate", content=raw, headers=headers)

        assert refused(answer, 422, "invalid_body")

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [('"storage_limit_gb":100', '"storage_limit_gb":1e400'), ('"name":"', '"name":"\\ud800')],
        ids=["a number without end", "half a character"],
    )
    async def test_what_no_database_stores_is_refused(self, market, tenant_id, right, wrong):
        raw = json.dumps(market.body(tenant_id), separators=(",", ":"))
        assert right in raw
        headers = {"Content-Type": "application/json"}
        content = raw.replace(right, wrong).encode()
        answer = await market.client.post(f"/mt/tenant/{tenant_id}/activate", content=content, headers=headers)

        assert refused(answer, 422, "invalid_body")

    async def test_a_body_without_an_end_is_not_read_to_its_end(self, market, tenant_id):
        answer = await market.activate(tenant_id, padding="x" * 2_000_000)

        assert refused(answer, 413, "body_too_large")


class TestDeactivate:
    async def test_keeps_the_data_for_ninety_days(self, market, tenant_id):
        await market.activate(tenant_id)

        answer = await market.deactivate(tenant_id)

        body = answer.json()
        assert (answer.status_code, body["status"], body["data_preserved"]) == (200, "deactivated", True)
        assert when(body["reactivation_deadline"]) == market.clock.now + timedelta(days=90)
        assert await market.status(tenant_id) == "deactivated"

    async def test_again_answers_the_same(self, market, tenant_id):
        await market.activate(tenant_id)
        first = await market.deactivate(tenant_id)
        market.clock.move(days=1)

        again = await market.deactivate(tenant_id, reason="subscription_expired")

        assert (again.status_code, again.json()) == (200, first.json())

    async def test_an_unknown_tenant_is_told(self, market, tenant_id):
        assert refused(await market.deactivate(tenant_id), 404, "tenant_not_found")

    async def test_scheduled_it_works_until_its_time(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))
        time = market.clock.now + timedelta(days=7)

        answer = await market.deactivate(tenant_id, deactivate_at=at(time))
        still = (await market.status(tenant_id), (await user.write("open")).status_code)
        market.clock.move(days=7)

        assert answer.json()["status"] == "scheduled"
        assert when(answer.json()["reactivation_deadline"]) == time + timedelta(days=90)
        assert still == ("active", 201)
        assert await market.status(tenant_id) == "deactivated"
        assert refused(await user.write("shut"), 403, "tenant_deactivated")

    async def test_a_schedule_can_be_moved(self, market, tenant_id):
        await market.activate(tenant_id)
        await market.deactivate(tenant_id, deactivate_at=at(market.clock.now + timedelta(days=1)))
        await market.deactivate(tenant_id, deactivate_at=at(market.clock.now + timedelta(days=5)))

        market.clock.move(days=2)

        assert await market.status(tenant_id) == "active"

    async def test_a_time_that_has_passed_is_now(self, market, tenant_id):
        await market.activate(tenant_id)

        answer = await market.deactivate(tenant_id, deactivate_at=at(market.clock.now - timedelta(days=1)))

        assert answer.json()["status"] == "deactivated"

    async def test_without_preserving_the_tenant_is_gone_for_good(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))

        answer = await market.deactivate(tenant_id, preserve_data=False)

        body = answer.json()
        assert (body["status"], body["data_preserved"], body["reactivation_deadline"]) == ("deactivated", False, None)
        assert refused(await market.get(tenant_id, "status"), 404, "tenant_not_found")
        assert refused(await market.activate(tenant_id), 410, "tenant_purged")
        assert refused(await user.write("late"), 401, "invalid_api_key")

    async def test_without_preserving_again_answers_the_same(self, market, tenant_id):
        await market.activate(tenant_id)
        first = await market.deactivate(tenant_id, preserve_data=False)

        again = await market.deactivate(tenant_id, preserve_data=False)

        assert (again.status_code, again.json()) == (200, first.json())

    async def test_preserved_data_can_be_given_up_later(self, market, tenant_id):
        await market.activate(tenant_id)
        await market.deactivate(tenant_id)

        answer = await market.deactivate(tenant_id, preserve_data=False)

        assert answer.json()["data_preserved"] is False
        assert refused(await market.activate(tenant_id), 410, "tenant_purged")

    @pytest.mark.parametrize(
        "changes",
        [
            {"reason": "because"},
            {"reason": []},
            {"preserve_data": "yes"},
            {"preserve_data": None},
            {"deactivate_at": "tomorrow"},
            {"deactivate_at": "2026-03-01T09:00:00"},
            {"deactivate_at": "2026-13-01T09:00:00Z"},
        ],
    )
    async def test_a_body_that_is_not_valid_is_refused_with_the_path(self, market, tenant_id, changes):
        await market.activate(tenant_id)

        answer = await market.deactivate(tenant_id, **changes)

        assert refused(answer, 422, "invalid_body")
        assert [fault["path"] for fault in answer.json()["details"]] == list(changes)
        assert await market.status(tenant_id) == "active"


class TestReactivate:
    async def test_brings_the_data_back(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))
        await user.write("kept")
        await market.deactivate(tenant_id)
        blocked = await user.get("/app/notes")
        market.clock.move(days=89)

        answer = await market.activate(tenant_id, plan="basic")

        assert refused(blocked, 403, "tenant_deactivated")
        assert answer.status_code == 200
        assert await user.notes() == ["kept"]
        assert (await market.get(tenant_id, "status")).json()["plan"] == "basic"

    async def test_past_the_deadline_it_is_refused(self, market, tenant_id):
        await market.activate(tenant_id)
        await market.deactivate(tenant_id)

        market.clock.move(days=90)

        assert refused(await market.activate(tenant_id), 410, "tenant_purged")
        assert refused(await market.get(tenant_id, "status"), 404, "tenant_not_found")

    async def test_of_a_schedule_that_has_come_brings_the_data_back(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))
        await user.write("kept")
        await market.deactivate(tenant_id, deactivate_at=at(market.clock.now + timedelta(days=1)))
        market.clock.move(days=2)

        assert (await market.activate(tenant_id)).status_code == 200
        assert await user.notes() == ["kept"]


class TestStatus:
    async def test_tells_the_figures(self, market, tenant_id):
        await market.activate(tenant_id)

        body = (await market.get(tenant_id, "status")).json()

        assert (body["tenant_id"], body["status"], body["plan"]) == (tenant_id, "active", "premium")
        assert when(body["created_at"]) == market.clock.now
        assert body["users"] == {"total": 0, "active_today": 0}
        assert body["storage"]["limit_gb"] == 100
        assert 0 < body["storage"]["used_gb"] < 1

    async def test_an_unknown_tenant_is_told(self, market, tenant_id):
        assert refused(await market.get(tenant_id, "status"), 404, "tenant_not_found")


class TestUsage:
    async def test_resolves_the_period(self, market, tenant_id):
        await market.activate(tenant_id)

        body = (await market.get(tenant_id, "usage", period="2026-02")).json()

        assert (body["tenant_id"], body["period"]) == (tenant_id, "2026-02")
        assert body["usage"]["storage_gb"] > 0

    @pytest.mark.parametrize("period", ["", "weekly", "2026", "2026-13", "2026-02-30", "2026-2", "２０２６-01"])
    async def test_what_is_no_period_is_refused(self, market, tenant_id, period):
        await market.activate(tenant_id)

        assert refused(await market.get(tenant_id, "usage", period=period), 422, "invalid_period")


class TestSetupLink:
    async def test_looking_at_it_uses_nothing_up(self, market, tenant_id):
        link = link_of(await market.activate(tenant_id))

        pages = [await market.client.get(link) for _ in range(2)]
        answer = await market.client.post(link)

        assert all(page.headers["content-type"].startswith("text/html") for page in pages)
        assert all(page.headers["referrer-policy"] == "no-referrer" for page in pages)
        assert answer.json().keys() == {"tenant_id", "access_key"}

    async def test_works_once(self, market, tenant_id):
        link = link_of(await market.activate(tenant_id))

        answers = await asyncio.gather(*(market.client.post(link) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410, 410]

    async def test_ends_after_its_time(self, market, tenant_id):
        activated = await market.activate(tenant_id)
        market.clock.now = when(activated.json()["admin_credentials"]["expires_at"])

        assert refused(await market.client.post(link_of(activated)), 410, "link_expired")

    async def test_of_another_tenant_opens_nothing(self, market, tenant_id):
        token = urlsplit(link_of(await market.activate(f"{tenant_id}_a"))).query.partition("token=")[2]
        await market.activate(f"{tenant_id}_b")

        answer = await market.client.post(f"/access/setup?tenant_id={tenant_id}_b&token={token}")

        assert refused(answer, 410, "link_expired")

    async def test_tells_nobody_who_is_a_tenant(self, market, tenant_id):
        await market.activate(tenant_id)

        known = await market.client.post(f"/access/setup?tenant_id={tenant_id}&token=guess")
        unknown = await market.client.post("/access/setup?tenant_id=nobody_here&token=guess")

        assert refused(known, 410, "link_expired")
        assert refused(unknown, 410, "link_expired")
        assert known.json()["message"] == unknown.json()["message"]

    async def test_a_reactivation_ends_the_old_one(self, market, tenant_id):
        first = await market.activate(tenant_id)
        await market.deactivate(tenant_id)
        second = await market.activate(tenant_id)

        assert refused(await market.client.post(link_of(first)), 410, "link_expired")
        assert (await market.client.post(link_of(second))).status_code == 200


class TestNotes:
    async def test_are_kept_in_order(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))

        for text in ("하나", "two", "3"):
            assert (await user.write(text)).status_code == 201

        assert await user.notes() == ["하나", "two", "3"]

    async def test_one_tenant_does_not_see_anothers(self, market, tenant_id):
        ours = await market.user(await market.activate(f"{tenant_id}_a"))
        theirs = await market.user(await market.activate(f"{tenant_id}_b"))

        await ours.write("ours")

        assert await theirs.notes() == []
        assert refused(await theirs.get(f"/app/{tenant_id}_a"), 403, "tenant_forbidden")
        named = await theirs.get("/app/notes", **{"X-Tenant-ID": f"{tenant_id}_a"})
        assert refused(named, 403, "tenant_forbidden")

    async def test_naming_ones_own_tenant_is_fine(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))

        assert (await user.get("/app/notes", **{"X-Tenant-ID": tenant_id})).status_code == 200
        assert (await user.get(f"/app/{tenant_id}")).json() == {"tenant_id": tenant_id, "name": "한림대학교"}

    @pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic bm90ZXM6", KEY])
    async def test_need_an_access_key(self, market, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}

        assert refused(await market.client.get("/app/notes", headers=headers), 401, "invalid_api_key")

    @pytest.mark.parametrize("text", ["", None, 5, "x" * 10_001, "nul\0"])
    async def test_that_are_no_text_are_refused(self, market, tenant_id, text):
        user = await market.user(await market.activate(tenant_id))

        assert (await user.write(text)).status_code == 422
        assert await user.notes() == []


class TestElsewhere:
    async def test_an_unknown_address_is_told_in_the_one_shape(self, market):
        assert refused(await market.client.get("/mt/nothing/here"), 404, "not_found")

    async def test_another_method_is_told_in_the_one_shape(self, market, tenant_id):
        answer = await market.client.delete(f"/mt/tenant/{tenant_id}/status")

        assert refused(answer, 405, "method_not_allowed")

    async def test_the_request_id_comes_back(self, market, tenant_id):
        path = f"/mt/tenant/{tenant_id}/status"
        answer = await market.client.get(path, headers={"X-Request-ID": "from-the-market"})

        assert (answer.headers["X-Request-ID"], answer.json()["request_id"]) == ("from-the-market",) * 2
