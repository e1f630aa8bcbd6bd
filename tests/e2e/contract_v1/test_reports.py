"""What a service reports: its health, a tenant's status, and what it used."""

from __future__ import annotations

import pytest

from tests.e2e.contract_v1.speaking import refused, when

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestHealth:
    async def test_needs_no_key(self, market):
        answer = await market.client.get("/mt/health", headers={"X-Market-API-Key": ""})

        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy"
        assert when(answer.json()["timestamp"]).tzinfo is not None


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
