"""What a service tells the market: signed events, right and wrong ones, and the reports of ``MarketplaceClient``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from mt_paas.errors import ServiceRefused
from mt_paas.integrations import MarketplaceClient
from mt_paas.simulator.journal import Level
from mt_paas.standard_api.events import signed_headers


@pytest.fixture
async def tenant(run):
    await run.session.run("activate hallym_univ max_users=1")
    return run.market.tenants.get("hallym_univ")


@pytest.fixture
def post(run, tenant):
    """Return a function that posts an event of the tenant, rightly but for what it is told."""

    async def send(*, event=None, token=None, secret=None, at=None, headers=None, body=None) -> httpx2.Response:
        now = at or datetime.now(UTC)
        content = {
            "id": "evt_00000001",
            "type": "health.changed",
            "timestamp": "2026-01-03T12:00:00Z",
            "data": {"a": 1},
        }
        raw = body or json.dumps(content | (event or {})).encode()
        signed = signed_headers(secret or tenant.secret, "evt_00000001", now, raw)
        async with httpx2.AsyncClient(trust_env=False) as caller:
            return await caller.post(
                f"{run.url}/api/v1/events",
                content=raw,
                headers={"Authorization": f"Bearer {token or tenant.token}", **signed, **(headers or {})},
            )

    return send


class TestEvents:
    async def test_those_of_a_right_service_arrive_and_can_be_waited_for(self, run, service, tenant):
        await run.session.run("user-add hallym_univ kim@hallym.ac.kr")
        waited = await run.session.run("wait event tenant.limit_reached hallym_univ within=5s")
        assert waited.is_ok, waited.text
        assert waited.answer["data"] == {"limit": "max_users", "value": 1}
        assert run.market.faults == 0

    async def test_a_right_one_is_taken_once_however_often_it_comes(self, run, post):
        assert [(await post()).status_code for _ in range(2)] == [204, 204]
        assert [each.type for each in run.session.inbox.received].count("health.changed") == 1
        assert any("came again, and counts once" in text for text in run.market.journal.texts())

    @pytest.mark.parametrize(
        ("wrong", "status", "word"),
        [
            ({"secret": "whsec_" + "A" * 43 + "="}, 401, "signature_invalid"),
            ({"at": datetime.now(UTC) - timedelta(minutes=6)}, 401, "signature_invalid"),
            ({"headers": {"webhook-signature": "v1,"}}, 401, "signature_invalid"),
            ({"headers": {"webhook-id": "evt_00000002"}}, 401, "signature_invalid"),
            ({"token": "not-a-token-of-this-run"}, 401, "token_unknown"),
            ({"event": {"tenant_id": "seoul_univ"}}, 403, "tenant_forbidden"),
            ({"event": {"id": "evt_00000009"}}, 422, "invalid_body"),
            ({"event": {"data": None}}, 422, "invalid_body"),
            ({"body": b"no json"}, 422, "invalid_body"),
        ],
        ids=["secret", "old", "empty", "other id", "token", "other tenant", "two ids", "no data", "no json"],
    )
    async def test_a_wrong_one_is_refused_shown_and_counted(self, run, post, wrong, status, word):
        before = len(run.session.inbox.received)
        answer = await post(**wrong)
        assert (answer.status_code, answer.json()["error"]) == (status, word)
        assert len(run.session.inbox.received) == before
        assert run.market.faults == 1
        assert word in run.market.journal.texts(Level.WRONG)[0]

    async def test_neither_token_nor_secret_is_in_what_is_shown(self, run, tenant, post):
        await post()
        await post(token="a-wrong-token-that-was-sent")
        shown = json.dumps([entry.as_dict() for entry in run.market.journal.since(0)])
        assert tenant.token not in shown
        assert "a-wrong-token-that-was-sent" not in shown


class TestReports:
    @pytest.fixture
    async def market(self, run, tenant):
        async with MarketplaceClient(f"{run.url}/api/v1", run.token, attempts=1) as client:
            yield client

    async def test_usage_is_taken_and_corrected_by_the_same_source(self, run, market):
        assert await market.report_usage("hallym_univ", {"api_calls": 5}, period="2026-01")
        assert not await market.report_usage("hallym_univ", {"api_calls": 7}, period="2026-01")
        reports = run.market.tenants.get("hallym_univ").usage_reports
        assert [report["usage"] for report in reports.values()] == [{"api_calls": 7.0}]

    async def test_a_status_is_noted_and_moves_nothing(self, run, market):
        assert not await market.sync_tenant_status("hallym_univ", "suspended")
        assert await market.sync_tenant_status("hallym_univ", "active")
        assert (await market.get_tenant("hallym_univ"))["state"] == "active"

    async def test_a_tenant_that_is_active_needs_no_provisioning(self, market):
        with pytest.raises(ServiceRefused, match="illegal_transition"):
            await market.request_provisioning("hallym_univ")

    async def test_a_failed_one_is_provisioned_when_the_service_asks_for_it(self, run, service, market):
        from mt_paas.testing.doubles import fail, rightly

        service.behave(fail(503), on="activate")
        await run.session.run("activate busan_univ")
        service.behave(rightly, on="activate")
        asked = service.count("activate", "busan_univ")
        assert (await market.request_provisioning("busan_univ"))["kind"] == "activate"
        await service.wait_for(
            "activate", service.count("activate") + (service.count("activate", "busan_univ") == asked)
        )
        assert (await run.session.run("expect status busan_univ active")).is_ok

    @pytest.mark.parametrize(
        ("usage", "period"), [({"api_calls": -1}, "2026-01"), ({"api_calls": 1}, "2026-13"), ({}, "2026-01")]
    )
    async def test_a_report_that_makes_no_sense_is_refused(self, market, usage, period):
        with pytest.raises(ServiceRefused, match="invalid_"):
            await market.report_usage("hallym_univ", usage, period=period)

    async def test_the_token_of_a_tenant_opens_no_other(self, run, tenant):
        await run.session.run("activate seoul_univ")
        async with MarketplaceClient(f"{run.url}/api/v1", tenant.token, attempts=1) as client:
            assert await client.report_usage("hallym_univ", {"api_calls": 5})
            with pytest.raises(ServiceRefused, match="tenant_forbidden"):
                await client.report_usage("seoul_univ", {"api_calls": 5})

    async def test_an_unknown_token_opens_nothing(self, run, tenant):
        async with MarketplaceClient(f"{run.url}/api/v1", "mtp_of-another-market", attempts=1) as client:
            with pytest.raises(ServiceRefused, match="token_unknown"):
                await client.get_tenant("hallym_univ")
