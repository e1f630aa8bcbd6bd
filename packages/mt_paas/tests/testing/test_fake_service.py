"""The fake service beyond what the conformance tester sees of it: links and their ends, waiting by calls, events."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from mt_paas.errors import ServiceRefused
from mt_paas.standard_api.models import (
    Callback,
    DeactivateReason,
    DeactivateRequest,
    PlanChangeRequest,
    SsoRequest,
    SsoUser,
    TenantConfig,
    UserCreate,
)
from mt_paas.testing.doubles import FakeService, serve

SECRET = b"0123456789abcdef0123456789abcdef"
CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
KIM = SsoRequest(user=SsoUser(email="kim@hallym.ac.kr", name="김하나", role="teacher"), return_to="/app/hallym_univ")


@pytest.fixture
def clock():
    class Clock:
        now = datetime.now(UTC)

        def __call__(self) -> datetime:
            return self.now

    return Clock()


@pytest.fixture
def service(clock) -> FakeService:
    return FakeService(clock=clock)


@pytest.fixture
async def browser():
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield http


@pytest.fixture
async def activated(client, activation):
    return await client.activate(activation, idempotency_key="a")


class TestLinks:
    async def test_they_lead_to_where_the_service_was_called(self, activated, base_url):
        assert activated.access_url == f"{base_url}/app/hallym_univ"
        assert activated.admin_credentials.setup_url.startswith(f"{base_url}/setup/")

    async def test_a_set_up_link_is_looked_at_often_and_used_once(self, activated, browser, base_url):
        link = activated.admin_credentials.setup_url
        for _ in range(2):
            assert (await browser.get(link)).status_code == 200
        used = await browser.post(link)
        assert (used.status_code, used.headers["location"]) == (303, f"{base_url}/app/hallym_univ")
        assert "홍길동" in (await browser.get(used.headers["location"])).text
        assert [(await browser.get(link)).status_code, (await browser.post(link)).status_code] == [410, 410]

    async def test_a_set_up_link_ends_after_a_week(self, activated, browser, clock):
        clock.now += timedelta(days=7)
        assert (await browser.get(activated.admin_credentials.setup_url)).status_code == 410

    async def test_whoever_only_looks_does_not_use_a_link_up(self, activated, client, browser, service):
        link = (await client.sso("hallym_univ", KIM)).launch_url
        assert (await browser.head(link)).status_code == 200
        first = await browser.get(link)
        assert first.status_code == 303
        assert "김하나" in (await browser.get(first.headers["location"])).text
        assert (await browser.get(link)).status_code == 410

    async def test_a_launch_link_ends_after_a_minute(self, activated, client, browser, clock):
        link = (await client.sso("hallym_univ", KIM)).launch_url
        clock.now += timedelta(seconds=60)
        assert (await browser.get(link)).status_code == 410

    async def test_a_session_opens_no_other_tenant(self, activated, client, browser, activation, base_url):
        other = activation.model_copy(update={"tenant_id": "other_univ", "tenant_name": "Other"})
        await client.activate(other, idempotency_key="b")
        await browser.post(activated.admin_credentials.setup_url)
        assert "홍길동" not in (await browser.get(f"{base_url}/app/other_univ")).text

    async def test_a_suspended_tenant_is_closed_for_its_users(self, activated, client, browser):
        from mt_paas.standard_api.models import SuspendRequest

        await client.suspend("hallym_univ", SuspendRequest(reason="payment_overdue"))
        assert (await browser.get(activated.access_url)).status_code == 403
        assert (await browser.get(activated.admin_credentials.setup_url)).status_code == 410

    async def test_no_token_is_kept(self, activated, service):
        token = activated.admin_credentials.setup_url.rpartition("/")[2]
        assert token not in str(service.links)


class TestExport:
    async def test_the_file_is_what_its_checksum_says_and_ends_after_an_hour(self, activated, client, browser, clock):
        await client.create_user("hallym_univ", UserCreate(email="lee@hallym.ac.kr"))
        made = await client.export("hallym_univ")
        file = await browser.get(made.download_url)
        assert hashlib.sha256(file.content).hexdigest() == made.sha256
        assert [user["email"] for user in file.json()["users"]] == ["admin@hallym.ac.kr", "lee@hallym.ac.kr"]
        clock.now += timedelta(hours=1)
        assert (await browser.get(made.download_url)).status_code == 410


class TestOperations:
    async def test_one_ends_with_the_calls_that_ask_for_it(self, activation):
        service = FakeService(asynchronous=True, steps=3)
        accepted = await service.activate_tenant(activation)
        states = [(await service.get_operation(accepted.operation_id)).status.value for _ in range(4)]
        assert states == ["in_progress", "in_progress", "succeeded", "succeeded"]

    async def test_one_ends_when_the_test_says_so(self, activation):
        now = asyncio.Event()
        service = FakeService(asynchronous=True, until=now)
        accepted = await service.activate_tenant(activation)
        for _ in range(5):
            assert (await service.get_operation(accepted.operation_id)).result is None
        now.set()
        assert (await service.get_operation(accepted.operation_id)).result["status"] == "activated"

    async def test_who_only_asks_for_the_tenant_sees_it_come(self, make_client, activation):
        service = FakeService(asynchronous=True)
        accepted = await service.activate_tenant(activation)
        assert accepted.status == "in_progress"
        for _ in range(2):
            service.step("hallym_univ")
        assert (await service.get_tenant_status("hallym_univ")).status.value == "active"


class TestLateCalls:
    async def test_one_that_was_answered_undoes_nothing_that_followed_it(self, activated, client, activation):
        closed = await client.deactivate("hallym_univ", CLOSING, idempotency_key="b")
        await client.activate(activation, idempotency_key="a")
        assert (await client.status("hallym_univ")).status == "deactivated"

        await client.activate(activation, idempotency_key="c")
        assert await client.deactivate("hallym_univ", CLOSING, idempotency_key="b") == closed
        assert (await client.status("hallym_univ")).status == "active"

    async def test_a_schedule_is_taken_back_by_an_activation_with_a_new_key(self, activated, client, activation, clock):
        for key, after in (("a", "deactivated"), ("new", "active")):
            schedule = CLOSING.model_copy(update={"deactivate_at": clock.now + timedelta(hours=1)})
            await client.deactivate("hallym_univ", schedule, idempotency_key=f"close-{key}")
            await client.activate(activation, idempotency_key=key)
            clock.now += timedelta(hours=2)
            assert (await client.status("hallym_univ")).status == after
            await client.activate(activation, idempotency_key=f"open-{key}")


class TestLimits:
    async def test_a_plan_that_is_too_small_is_refused(self, activated, client):
        for name in ("kim", "lee"):
            await client.create_user("hallym_univ", UserCreate(email=f"{name}@hallym.ac.kr"))
        smaller = PlanChangeRequest(plan="basic", config=TenantConfig(max_users=2))
        with pytest.raises(ServiceRefused, match="422 plan_change_not_allowed: The tenant has 3 users, and 2 would"):
            await client.change_plan("hallym_univ", smaller, idempotency_key="p")

    async def test_costs_of_a_deleted_user_stay_and_are_nobodys(self, activated, client):
        user = await client.create_user("hallym_univ", UserCreate(email="kim@hallym.ac.kr"))
        before = await client.costs("hallym_univ")
        await client.delete_user("hallym_univ", user.id)
        assert await client.costs("hallym_univ") == before
        assert user.id not in [item.user_id for item in (await client.top_users("hallym_univ")).items]


class TestEvents:
    async def test_they_are_signed_and_carry_the_token(self, activation):
        taken = []

        async def market(scope, receive, send):
            if scope["type"] != "http":
                return
            body = (await receive())["body"]
            taken.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
            await send({"type": "http.response.start", "status": 503 if len(taken) == 1 else 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        service = FakeService()
        async with serve(_with_lifespan(market)) as url:
            secret = "whsec_" + base64.b64encode(SECRET).decode()
            callback = Callback(events_url=f"{url}/events", token="t" * 20, secret=secret)
            await service.activate_tenant(activation.model_copy(update={"callback": callback}))
            await service.events_posted()

        assert len(taken) == 2, "the market was away the first time"
        (headers, body), (again, _) = taken
        assert headers["webhook-id"] == again["webhook-id"] == service.events[0].id
        assert headers["authorization"] == f"Bearer {'t' * 20}"
        assert json.loads(body)["type"] == "usage.reported"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"

    async def test_a_market_that_is_gone_keeps_nobody_waiting(self, activation, unused_tcp_port):
        secret = "whsec_" + base64.b64encode(SECRET).decode()
        callback = Callback(events_url=f"http://127.0.0.1:{unused_tcp_port}/", token="t" * 20, secret=secret)
        service = FakeService()
        await service.activate_tenant(activation.model_copy(update={"callback": callback}))
        await service.events_posted()
        assert [event.type for event in service.events] == ["usage.reported"]


class TestVersion1:
    async def test_it_offers_nothing_newer(self, activation, loopback):
        service = FakeService(version="1.0")
        await service.activate_tenant(activation)
        async with serve(service) as url, httpx2.AsyncClient(trust_env=False) as http:
            headers = {"X-Market-API-Key": service.api_key}
            users = await http.get(f"{url}/mt/tenant/hallym_univ/users", headers=headers)
            assert (users.status_code, users.json()["error"]) == (501, "not_implemented")
            assert (await http.get(f"{url}/mt/manifest")).json()["version"] == "1.0"


def _with_lifespan(app):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount("/", app)])
