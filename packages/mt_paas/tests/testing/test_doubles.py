"""The doubles are right when they should be, and wrong in the way that they say."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from mt_paas.errors import (
    ServiceAnswerInvalid,
    ServiceFailed,
    ServiceRefused,
    ServiceTimeout,
    TenantPurged,
)
from mt_paas.standard_api import DeactivateReason, DeactivateRequest, TenantState, Timeouts
from mt_paas.testing.doubles import (
    FakeService,
    dripping,
    dropped,
    fail,
    flaky,
    garbage,
    lying,
    refuse,
    rightly,
    serve,
    silent,
    slow,
)

IMPATIENT = Timeouts(connect=2, total=0.4)


class TestARightService:
    async def test_a_tenant_lives_from_activation_to_purge(self, client, service, activation, deactivation):
        first = await client.activate(activation, idempotency_key="a")
        assert (await client.status("hallym_univ")).status is TenantState.ACTIVE
        service.tenants["hallym_univ"].data["note"] = "안녕"

        closed = await client.deactivate("hallym_univ", deactivation, idempotency_key="b")
        assert (closed.status, closed.data_preserved) == ("deactivated", True)
        assert (await client.status("hallym_univ")).status is TenantState.DEACTIVATED

        again = await client.activate(activation, idempotency_key="c")
        assert again == first
        assert service.tenants["hallym_univ"].data == {"note": "안녕"}

        purge = deactivation.model_copy(update={"preserve_data": False})
        await client.deactivate("hallym_univ", purge, idempotency_key="d")
        with pytest.raises(ServiceRefused, match="answered 404 tenant_not_found"):
            await client.status("hallym_univ")
        with pytest.raises(ServiceRefused, match="answered 410 tenant_purged"):
            await client.activate(activation, idempotency_key="e")

    async def test_same_request_again_returns_the_same_result(self, client, service, activation):
        first = await client.activate(activation, idempotency_key="a")
        assert await client.activate(activation, idempotency_key="a") == first
        assert await client.activate(activation, idempotency_key="b") == first
        assert service.count("activate", "hallym_univ") == 3
        assert len(service.tenants) == 1

    async def test_another_body_for_an_active_tenant_is_refused(self, client, activation):
        await client.activate(activation, idempotency_key="a")
        other = activation.model_copy(update={"plan": "basic"})
        with pytest.raises(ServiceRefused, match="409 tenant_already_exists"):
            await client.activate(other, idempotency_key="b")

    async def test_a_scheduled_deactivation_comes_with_its_time(self, activation):
        now = datetime(2026, 1, 3, tzinfo=UTC)
        service = FakeService(clock=lambda: now)
        await service.activate_tenant(activation)
        later = DeactivateRequest(
            reason=DeactivateReason.SUBSCRIPTION_EXPIRED, preserve_data=True, deactivate_at=now + timedelta(days=1)
        )

        answer = await service.deactivate_tenant("hallym_univ", later)

        assert (answer.status, answer.reactivation_deadline) == ("scheduled", now + timedelta(days=91))
        assert (await service.get_tenant_status("hallym_univ")).status is TenantState.ACTIVE
        now += timedelta(days=1)
        assert (await service.get_tenant_status("hallym_univ")).status is TenantState.DEACTIVATED
        now += timedelta(days=90)
        with pytest.raises(TenantPurged):
            await service.activate_tenant(activation)

    async def test_calls_are_recorded_without_the_key(self, client, service, activation):
        await client.activate(activation, idempotency_key="once")
        (call,) = service.calls
        assert (call.operation, call.method, call.tenant_id) == ("activate", "POST", "hallym_univ")
        assert call.path == "/mt/tenant/hallym_univ/activate"
        assert call.headers["idempotency-key"] == "once"
        assert call.body["tenant_name"] == "한림대학교"
        assert service.api_key not in str(call)


class TestBehaviours:
    async def test_refuse_answers_with_an_error_of_the_contract(self, client, service, activation):
        service.behave(refuse(), on="activate")
        with pytest.raises(ServiceRefused, match="409 tenant_already_exists: The tenant is there already"):
            await client.activate(activation, idempotency_key="a")
        assert service.tenants == {}

    async def test_fail_answers_with_a_plain_error(self, client, service, activation):
        service.behave(fail(500, "disk full"))
        with pytest.raises(ServiceFailed, match="500 internal_error: disk full"):
            await client.activate(activation, idempotency_key="a")

    async def test_garbage_is_a_web_page(self, client, service):
        service.behave(garbage())
        with pytest.raises(ServiceAnswerInvalid, match="text/html"):
            await client.health()

    async def test_silent_never_answers(self, make_client, service, activation):
        service.behave(silent)
        async with make_client(timeouts=IMPATIENT) as client:
            with pytest.raises(ServiceTimeout):
                await client.activate(activation, idempotency_key="a")
        assert service.count("activate") == 1

    async def test_slow_answers_when_the_test_says_so(self, client, service, activation):
        now = asyncio.Event()
        service.behave(slow(now))
        answering = asyncio.create_task(client.activate(activation, idempotency_key="a"))
        await service.wait_for("activate")
        assert service.tenants == {}
        now.set()
        assert (await answering).tenant_id == "hallym_univ"

    async def test_dropped_breaks_off_in_the_middle(self, client, service, activation):
        service.behave(dropped)
        with pytest.raises(ServiceAnswerInvalid, match="answered 200, and broke off"):
            await client.activate(activation, idempotency_key="a")

    async def test_dripping_never_ends(self, make_client, service):
        service.behave(dripping(interval=0.01))
        async with make_client(timeouts=IMPATIENT) as client:
            with pytest.raises(ServiceTimeout):
                await client.health()

    @pytest.mark.parametrize("state", [TenantState.DEACTIVATED, TenantState.SUSPENDED])
    async def test_lying_says_activated_and_is_not(self, client, service, activation, state):
        service.behave(lying(state), on="activate")
        assert (await client.activate(activation, idempotency_key="a")).status == "activated"
        assert (await client.status("hallym_univ")).status is state

    async def test_lying_about_a_tenant_that_is_not_there(self, client, service, activation):
        service.behave(lying(), on="activate")
        assert (await client.activate(activation, idempotency_key="a")).status == "activated"
        with pytest.raises(ServiceRefused, match="404 tenant_not_found"):
            await client.status("hallym_univ")

    async def test_flaky_fails_a_few_times_and_then_works(self, client, service, activation):
        service.behave(flaky(2), on="activate")
        for _ in range(2):
            with pytest.raises(ServiceFailed, match="503 service_not_ready"):
                await client.activate(activation, idempotency_key="a")
        assert (await client.activate(activation, idempotency_key="a")).status == "activated"

    async def test_a_service_can_come_to_its_senses(self, client, service):
        service.behave(garbage())
        service.behave(rightly, on="health")
        assert (await client.health()).version == "1.0.0"


class TestServe:
    async def test_requests_under_way_are_cancelled_at_the_end(self, service):
        service.behave(silent)
        async with serve(service) as url, httpx2.AsyncClient() as http:
            asking = asyncio.create_task(http.get(f"{url}/mt/health"))
            await service.wait_for("health")
        with pytest.raises(httpx2.RequestError):
            await asking

    async def test_an_application_that_does_not_start_is_an_error(self):
        async def broken(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with pytest.raises(RuntimeError, match="did not start"):
            async with serve(broken):
                pytest.fail("it is not served")

    async def test_two_services_are_served_side_by_side(self, service):
        async with serve(service) as one, serve(FakeService(service_id="other")) as two:
            assert one != two
