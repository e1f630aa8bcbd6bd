"""A vendor registers a manifest: what the market refuses, what it asks the service, and what people then see."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mt_paas.errors import ManifestError
from mt_paas.standard_api.manifest import Manifest
from service_market.assembly import Addresses, Market, assemble
from service_market.rooms.catalog.service import find_service, key_context
from service_market.settings import Settings

MANIFEST = Path(__file__).parents[3] / "mt_paas/tests/standard_api/manifest/keli_tutor.yaml"
KELI = MANIFEST.read_text(encoding="utf-8")
KELI_URL = "https://keli.k-university.ai"
KEY = "keli-market-key-4f1c9a"
HEADER = "X-Market-API-Key"

Ask = Callable[..., Awaitable[Any]]


def healthy(_: httpx2.Request) -> httpx2.Response:
    now = datetime.now(UTC).isoformat()
    return httpx2.Response(200, json={"status": "healthy", "version": "1.0.0", "timestamp": now})


def unhealthy(_: httpx2.Request) -> httpx2.Response:
    now = datetime.now(UTC).isoformat()
    return httpx2.Response(200, json={"status": "unhealthy", "version": "1.0.0", "timestamp": now})


def answering(status: int, error: str) -> Callable[[httpx2.Request], httpx2.Response]:
    """A service that is healthy, and answers so to every call with a key."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/mt/health":
            return healthy(request)
        return httpx2.Response(status, json={"error": error, "message": f"You sent {request.headers[HEADER]}."})

    return answer


def unreachable(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("all connection attempts failed", request=request)


class Vendors:
    """The vendors' machines: what each answers, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {}
        self.asked: list[httpx2.Request] = []
        self.meanwhile: Callable[[httpx2.Request], Awaitable[None]] | None = None

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.meanwhile is not None:
            await self.meanwhile(request)
        self.asked.append(request)
        return self.answers.get(str(request.url.copy_with(path="/")).rstrip("/"), healthy)(request)


@pytest.fixture
def vendors() -> Vendors:
    return Vendors()


@pytest.fixture
async def market(settings: Settings, addresses: Addresses, clock: Any, vendors: Vendors) -> AsyncIterator[Market]:
    """A market whose calls end at the vendors above."""
    made = assemble(settings, addresses, clock=clock, transport=httpx2.MockTransport(vendors))
    yield made
    await made.close()


@pytest.fixture
def register(operator: httpx2.AsyncClient, market: Market) -> Ask:
    """Registers a manifest as the operator, and lets the market verify it."""

    async def ask(manifest: str = KELI, *, key: str = KEY, **body: Any) -> dict[str, Any]:
        answer = await operator.post("/services", json={"manifest": manifest, "api_key": key, **body})
        assert answer.status_code == 202, answer.text
        await market.kernel.jobs.run_until_idle()
        return dict(answer.json()["data"])

    return ask


@pytest.fixture
def show(operator: httpx2.AsyncClient) -> Ask:
    async def ask(path: str = "/services/keli_tutor") -> Any:
        answer = await operator.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return ask


class TestRegister:
    async def test_keli_tutor_registers_unchanged_and_is_listed(self, register, show, vendors):
        accepted = await register()
        assert (accepted["state"], accepted["warnings"]) == ("verifying", [])
        listed = await show()
        assert listed["state"] == "listed"
        assert listed["reason"] is None
        assert listed["plans"] == ["basic", "standard", "premium"]
        assert listed["base_url"] == KELI_URL
        health, status = (str(asked.url) for asked in vendors.asked)
        assert health == f"{KELI_URL}/mt/health"
        assert re.fullmatch(rf"{KELI_URL}/mt/tenant/key-check-[0-9a-f]{{16}}/status", status)
        assert (await show("/services/keli_tutor/manifest"))["source"] == KELI

    async def test_health_is_asked_without_the_key(self, register, vendors):
        await register()
        assert KEY not in str(vendors.asked[0].headers.raw)

    async def test_a_manifest_with_faults_says_where_each_of_them_is(self, operator, vendors):
        broken = KELI.replace("tenant_activate:", "tenant_activat:").replace(
            'default: "DATABASE_PER_TENANT"', 'default: "NONE"'
        )
        answer = await operator.post("/services", json={"manifest": broken, "api_key": KEY})
        assert (answer.status_code, answer.json()["error"]) == (422, "manifest_invalid")
        places = [(fault["path"], fault["line"], fault["column"]) for fault in answer.json()["details"]]
        assert places == [("endpoints.tenant_activat", 18, 3), ("isolation.default", 38, 12)]
        assert "tenant_activate" in answer.json()["details"][0]["suggestion"]
        with pytest.raises(ManifestError) as raised:
            Manifest.parse(broken)
        assert answer.json()["details"] == [fault.as_dict() for fault in raised.value.faults]
        assert (await operator.get("/services/keli_tutor")).status_code == 404
        assert vendors.asked == []

    async def test_a_key_that_nobody_knows_is_accepted_with_a_warning(self, register):
        accepted = await register(KELI + "\nmascot: 고래\n")
        line = (KELI + "\nmascot").count("\n") + 1
        assert accepted["warnings"] == [
            {"path": "mascot", "line": line, "column": 1, "message": "is not known here and is ignored"}
        ]

    async def test_what_the_market_does_not_drive_is_told_with_its_place(self, register):
        odd = KELI.replace('type: "api_key"', 'type: "oauth2"').replace(
            'default: "DATABASE_PER_TENANT"', 'default: "DOCKER_PER_TENANT"'
        )
        accepted = await register(odd, base_url="https://tutor.example")
        assert [(each["path"], each["line"], each["column"]) for each in accepted["warnings"]] == [
            ("auth.type", 30, 9),
            ("isolation.default", 38, 12),
        ]
        auth, isolation = (each["message"] for each in accepted["warnings"])
        assert auth.startswith(
            f"this market does not speak oauth2; it sends the key that it is given, in the header {HEADER}"
        )
        assert "starts no containers" in isolation

    async def test_the_address_may_be_another_than_the_manifest_says(self, register, show, vendors):
        await register(base_url="https://tutor.example")
        assert str(vendors.asked[0].url) == "https://tutor.example/mt/health"
        assert (await show())["base_url"] == "https://tutor.example"

    async def test_an_address_that_is_none_is_refused(self, operator):
        body = {"manifest": KELI, "api_key": KEY, "base_url": "ftp://tutor.example"}
        answer = await operator.post("/services", json=body)
        assert (answer.status_code, answer.json()["error"]) == (422, "manifest_invalid")
        assert answer.json()["message"].startswith("base_url: ")

    async def test_the_same_request_again_is_done_once(self, operator, vendors, market):
        body, headers = {"manifest": KELI, "api_key": KEY}, {"Idempotency-Key": "once"}
        first = await operator.post("/services", json=body, headers=headers)
        again = await operator.post("/services", json=body, headers=headers)
        assert (again.status_code, again.json()) == (202, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        await market.kernel.jobs.run_until_idle()
        assert len(vendors.asked) == 2  # health, and the key

    async def test_the_same_manifest_again_changes_the_key_alone(self, register, show, market):
        await register()
        before = await show()
        await register(key="keli-market-key-the-next")
        after = await show()
        assert after["state"] == "listed"
        assert after["manifest_digest"] == before["manifest_digest"]
        assert after["created_at"] == before["created_at"]
        async with market.kernel.unit() as uow:
            kept = (await find_service(uow, "keli_tutor")).sealed_key
            assert uow.box.open(kept, context=key_context("keli_tutor")) == "keli-market-key-the-next"

    async def test_the_key_is_in_no_answer(self, operator, market):
        said = [await operator.post("/services", json={"manifest": KELI, "api_key": KEY})]
        await market.kernel.jobs.run_until_idle()
        said += [
            await operator.get(path) for path in ("/services", "/services/keli_tutor", "/services/keli_tutor/manifest")
        ]
        said.append(await operator.post("/services/keli_tutor/verify"))
        said.append(await operator.post("/services", json={"manifest": "x", "api_key": KEY}))
        said.append(await operator.post("/services", json={"manifest": KELI, "api_key": KEY, "more": 1}))
        assert [answer.status_code for answer in said] == [202, 200, 200, 200, 202, 422, 422]
        assert not [answer for answer in said if KEY in answer.text or KEY in str(answer.headers.raw)]


class TestVerify:
    async def test_a_service_that_can_not_be_reached_is_rejected_with_a_reason(self, register, show, vendors):
        vendors.answers[KELI_URL] = unreachable
        await register()
        rejected = await show()
        assert rejected["state"] == "rejected"
        assert f"GET {KELI_URL}/mt/health found no connection" in rejected["reason"]

    async def test_a_service_that_says_it_is_unhealthy_is_rejected(self, register, show, vendors):
        vendors.answers[KELI_URL] = unhealthy
        await register()
        rejected = await show()
        assert (rejected["state"], rejected["reason"]) == (
            "rejected",
            f"{KELI_URL}/mt/health answered that the service is unhealthy",
        )

    async def test_a_rejected_service_is_listed_once_it_answers(self, register, show, vendors, operator, market):
        vendors.answers[KELI_URL] = unreachable
        await register()
        del vendors.answers[KELI_URL]
        answer = await operator.post("/services/keli_tutor/verify")
        assert (answer.status_code, answer.json()["data"]["state"]) == (202, "verifying")
        await market.kernel.jobs.run_until_idle()
        listed = await show()
        assert (listed["state"], listed["reason"]) == ("listed", None)


class TestKey:
    @pytest.mark.parametrize(("status", "error"), [(401, "invalid_api_key"), (403, "forbidden")])
    async def test_that_the_service_refuses_keeps_it_out_of_the_catalogue(self, register, show, vendors, status, error):
        vendors.answers[KELI_URL] = answering(status, error)
        await register()
        rejected = await show()
        assert rejected["state"] == "rejected"
        assert rejected["reason"].startswith("the service refused the key; register it again with the right one: GET ")
        assert rejected["reason"].endswith(f"/status answered {status} {error}: You sent ***.")

    @pytest.mark.parametrize(("status", "error"), [(404, "tenant_not_found"), (404, "gone"), (422, "bad"), (200, "")])
    async def test_that_the_service_has_read_is_good(self, register, show, vendors, status, error):
        vendors.answers[KELI_URL] = answering(status, error)
        await register()
        assert (await show())["state"] == "listed"
        assert vendors.asked[-1].headers[HEADER] == KEY

    @pytest.mark.parametrize("status", [302, 500])
    async def test_that_nobody_has_read_is_not_good(self, register, show, vendors, status):
        vendors.answers[KELI_URL] = answering(status, "no")
        await register()
        rejected = await show()
        assert (rejected["state"], rejected["reason"][:26]) == ("rejected", "the key could not be tried")

    async def test_that_is_new_and_refused_leaves_the_one_before(self, register, show, vendors, market):
        await register()
        vendors.answers[KELI_URL] = answering(401, "invalid_api_key")
        await register(key="keli-market-key-the-next")
        kept = await show()
        assert kept["state"] == "listed"
        assert kept["reason"].startswith("the new key was not accepted: the service refused the key; ")
        async with market.kernel.unit() as uow:
            sealed = (await find_service(uow, "keli_tutor")).sealed_key
            assert uow.box.open(sealed, context=key_context("keli_tutor")) == KEY

    async def test_that_comes_while_another_is_tried_is_tried_as_well(self, register, show, vendors, operator, market):
        await register()
        came: list[str] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/mt/health":
                return healthy(request)
            came.append(request.headers[HEADER])
            return httpx2.Response(404 if request.headers[HEADER] == KEY else 401, json={})

        async def submit_another(_: Any) -> None:
            if not came:
                body = {"manifest": KELI, "api_key": "keli-market-key-that-is-wrong"}
                assert (await operator.post("/services", json=body)).status_code == 202

        vendors.answers[KELI_URL] = answer
        vendors.meanwhile = submit_another
        await register()
        assert came == [KEY, "keli-market-key-that-is-wrong"]
        assert "refused the key" in (await show())["reason"]


class TestNewVersion:
    async def test_a_new_version_is_current_once_it_is_verified(self, register, show):
        await register()
        accepted = await register(KELI.replace('version: "1.0.0"', 'version: "1.1.0"'))
        assert accepted["version"] == "1.0.0"  # until the new one is verified
        assert (await show())["version"] == "1.1.0"

    async def test_the_version_before_stays_listed_when_the_new_one_is_not_accepted(self, register, show, vendors):
        await register()
        moved = KELI.replace(KELI_URL, "https://moved.example").replace('version: "1.0.0"', 'version: "2.0.0"')
        vendors.answers["https://moved.example"] = unreachable
        await register(moved)
        kept = await show()
        assert (kept["state"], kept["version"], kept["base_url"]) == ("listed", "1.0.0", KELI_URL)
        assert kept["reason"].startswith("the new version was not accepted: GET https://moved.example/mt/health")


class TestVendor:
    async def test_a_vendor_registers_its_own_service_and_nobody_elses(self, operator, caller_with, market):
        for slug in ("keli_lab", "other_lab"):
            body = {"slug": slug, "name": slug, "kind": "vendor"}
            assert (await operator.post("/organizations", json=body)).status_code == 201
        owner = await caller_with(organization="keli_lab", role="vendor_developer")
        stranger = await caller_with(organization="other_lab", role="vendor_developer")
        assert (await owner.post("/services", json={"manifest": KELI, "api_key": KEY})).status_code == 202
        await market.kernel.jobs.run_until_idle()
        refused = await stranger.post("/services", json={"manifest": KELI, "api_key": "a-strangers-key-77"})
        assert (refused.status_code, refused.json()["error"]) == (403, "service_of_another_vendor")
        assert (await owner.post("/services", json={"manifest": KELI, "api_key": KEY})).status_code == 202


class TestList:
    async def test_pages_give_every_service_once(self, register, operator):
        names = [f"tutor_{number}" for number in range(5)]
        for name in names:
            await register(KELI.replace("keli_tutor", name))
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            answer = (await operator.get("/services", params=query)).json()
            seen += [each["service_id"] for each in answer["data"]]
            assert answer["meta"]["total"] == 5
            if answer["meta"]["next_cursor"] is None:
                break
            query["cursor"] = answer["meta"]["next_cursor"]
        assert seen == names[::-1]

    async def test_only_services_in_one_state(self, register, operator, vendors):
        await register()
        vendors.answers["https://away.example"] = unreachable
        await register(KELI.replace("keli_tutor", "away").replace(KELI_URL, "https://away.example"))
        answer = await operator.get("/services", params={"state": "rejected"})
        assert [each["service_id"] for each in answer.json()["data"]] == ["away"]
