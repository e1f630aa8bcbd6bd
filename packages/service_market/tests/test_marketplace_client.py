"""``MarketplaceClient`` against this market: the four calls of the design document, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ConfigurationError, ServiceAnswerInvalid, ServiceFailed, ServiceRefused, ServiceUnreachable
from mt_paas.integrations import MarketplaceClient
from mt_paas.testing.doubles import fail, rightly, serve


@pytest.fixture
async def own(active: Any, caller_with: Any, app: Any) -> AsyncIterator[MarketplaceClient]:
    """A client with the token of the service itself, over real HTTP."""
    await active.operator.post("/organizations", json={"slug": "vendor", "name": "V", "kind": "vendor"})
    caller = await caller_with(organization="vendor", role="service", service_id="fake_tutor")
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    async with serve(app) as url, MarketplaceClient(f"{url}/api/v1", token) as client:
        yield client


class TestAgainstTheMarket:
    async def test_it_reads_a_tenant(self, own: MarketplaceClient) -> None:
        tenant = await own.get_tenant("hallym_univ")
        assert (tenant["state"], tenant["plan"], tenant["service_id"]) == ("active", "premium", "fake_tutor")

    async def test_it_asks_for_a_failed_tenant_to_be_provisioned(self, own: MarketplaceClient, active: Any) -> None:
        await active.add_school("snu_univ", "서울대학교")
        active.service.behave(fail(500), on="activate")
        started = await active.subscribe(organization="snu_univ")
        await active.operation(started["meta"]["operation"]["id"])
        active.service.behave(rightly, on="activate")
        operation = await own.request_provisioning("snu_univ")
        assert operation["kind"] == "activate"
        assert (await active.operation(operation["id"]))["state"] == "succeeded"

    async def test_what_it_reports_of_a_tenant_stands_beside_the_markets_state(
        self, own: MarketplaceClient, active: Any
    ) -> None:
        assert await own.sync_tenant_status("hallym_univ", TenantStatus.ACTIVE) is True
        assert await own.sync_tenant_status("hallym_univ", "unhealthy") is False
        tenant = await active.tenant()
        assert (tenant["state"], tenant["reported_status"]) == ("active", "unhealthy")
        assert tenant["reported_at"] is not None

    async def test_usage_is_kept_exactly_and_the_same_report_corrects_it(
        self, own: MarketplaceClient, active: Any
    ) -> None:
        first = {"api_calls": 15000, "storage_gb": 25.1}
        assert await own.report_usage("hallym_univ", first, period="2026-01") is True
        assert await own.report_usage("hallym_univ", {"api_calls": 15001}, period="2026-01") is False
        assert await own.report_usage("hallym_univ", {"ai_tokens": 7}, period="2026-01-03", source_id="run-7") is True
        records = await active.get("/tenants/hallym_univ/usage")
        assert [(row["source_id"], row["usage"], row["corrections"]) for row in records] == [
            ("run-7", {"ai_tokens": "7"}, 0),
            ("2026-01", {"api_calls": "15001"}, 1),
        ]

    async def test_a_day_that_is_none_is_refused(self, own: MarketplaceClient) -> None:
        with pytest.raises(ServiceRefused, match=r"422 invalid_body: body/period: there is no 2026-02-30"):
            await own.report_usage("hallym_univ", {"api_calls": 1}, period="2026-02-30")

    async def test_the_markets_refusal_is_told_in_its_words(self, own: MarketplaceClient) -> None:
        with pytest.raises(ServiceRefused, match="404 tenant_not_found: There is no tenant nobody") as refused:
            await own.get_tenant("nobody")
        assert (refused.value.status, refused.value.error) == (404, "tenant_not_found")

    async def test_a_name_that_is_a_path_stays_one_name(self, own: MarketplaceClient) -> None:
        with pytest.raises(ServiceRefused, match="404"):
            await own.get_tenant("../services")


class TestWithoutAMarket:
    async def test_no_key_is_a_wrong_set_up(self) -> None:
        with pytest.raises(ConfigurationError, match="api_key"):
            MarketplaceClient()

    async def test_nobody_there_is_said_after_the_last_attempt(self) -> None:
        async with MarketplaceClient("http://127.0.0.1:9/api/v1", "mtp_x", attempts=1) as client:
            with pytest.raises(ServiceUnreachable, match="no connection to the market"):
                await client.get_tenant("hallym_univ")

    async def test_a_moment_of_weakness_is_tried_again_with_the_same_key(self) -> None:
        seen: list[str] = []

        def market(request: httpx2.Request) -> httpx2.Response:
            seen.append(request.headers["Idempotency-Key"])
            if len(seen) == 1:
                return httpx2.Response(503, json={"error": "unavailable", "message": "soon", "retryable": True})
            return httpx2.Response(202, json={"data": {"id": "1"}})

        async with MarketplaceClient(api_key="mtp_x", transport=httpx2.MockTransport(market)) as client:
            assert await client.request_provisioning("hallym_univ") == {"id": "1"}
        assert len(seen) == 2
        assert len(set(seen)) == 1

    async def test_a_break_is_told_and_not_tried_for_ever(self) -> None:
        def market(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(500, json={"error": "internal_error", "message": "broke"})

        async with MarketplaceClient(api_key="mtp_x", transport=httpx2.MockTransport(market)) as client:
            with pytest.raises(ServiceFailed, match="500 internal_error: broke"):
                await client.get_tenant("hallym_univ")

    async def test_a_web_page_is_not_a_market(self) -> None:
        def market(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, text="<html>")

        async with MarketplaceClient(api_key="mtp_x", transport=httpx2.MockTransport(market)) as client:
            with pytest.raises(ServiceAnswerInvalid, match="is this a market"):
                await client.get_tenant("hallym_univ")
