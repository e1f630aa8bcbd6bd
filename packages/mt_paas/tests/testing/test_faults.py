"""The doubles by their names: wrong in one way, over a service that is right beneath."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.errors import ServiceAnswerInvalid, ServiceFailed, ServiceRefused, ServiceTimeout
from mt_paas.standard_api import StandardAPIClient, Timeouts
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService, Flaky, Garbage, Lying, Never, Slow, serve

IMPATIENT = Timeouts(connect=2, total=0.4)


class TestServedInItsPlace:
    async def test_a_double_is_an_application(self, loopback):
        double = Garbage()
        async with (
            serve(double) as url,
            StandardAPIClient(double.service.manifest(url), double.api_key, addresses=loopback) as client,
        ):
            with pytest.raises(ServiceAnswerInvalid, match="text/html"):
                await client.health()
            double.mend()
            assert (await client.health()).version == "1.0.0"


class TestOverAService:
    async def test_slow_answers_late(self, make_client, service, activation):
        never_in_this_test = 3600
        with Slow(service, seconds=never_in_this_test, on="activate"):
            async with make_client(timeouts=IMPATIENT) as client:
                with pytest.raises(ServiceTimeout):
                    await client.activate(activation, idempotency_key="a")
                assert (await client.health()).version == "1.0.0"

    async def test_slow_answers_in_the_end(self, client, service, activation):
        with Slow(service, seconds=0.01):
            assert (await client.activate(activation, idempotency_key="a")).status == "activated"

    async def test_slow_answers_when_the_test_says_so(self, client, service, activation):
        now = asyncio.Event()
        with Slow(service, until=now):
            answering = asyncio.create_task(client.activate(activation, idempotency_key="a"))
            await service.wait_for("activate")
            now.set()
            assert (await answering).tenant_id == "hallym_univ"

    async def test_never_takes_the_request_and_is_silent(self, make_client, service, activation):
        with Never(service, on="activate"):
            async with make_client(timeouts=IMPATIENT) as client:
                with pytest.raises(ServiceTimeout):
                    await client.activate(activation, idempotency_key="a")
        assert service.count("activate") == 1

    async def test_flaky_fails_so_many_times(self, client, service, activation):
        with Flaky(service, failures=2, on="activate"):
            for _ in range(2):
                with pytest.raises(ServiceFailed, match="503 service_not_ready"):
                    await client.activate(activation, idempotency_key="a")
            assert (await client.activate(activation, idempotency_key="a")).status == "activated"

    @pytest.mark.parametrize("state", [TenantState.DEACTIVATED, TenantState.SUSPENDED])
    async def test_lying_says_activated_and_is_not(self, client, service, activation, state):
        with Lying(service, state=state):
            assert (await client.activate(activation, idempotency_key="a")).status == "activated"
        assert (await client.status("hallym_univ")).status is state

    async def test_lying_about_nobody(self, client, service, activation):
        with Lying(service):
            await client.activate(activation, idempotency_key="a")
        with pytest.raises(ServiceRefused, match="404 tenant_not_found"):
            await client.status("hallym_univ")

    async def test_after_the_block_the_service_is_right(self, client, service: FakeService):
        with Garbage(service, on="health"), pytest.raises(ServiceAnswerInvalid):
            await client.health()
        assert (await client.health()).version == "1.0.0"
