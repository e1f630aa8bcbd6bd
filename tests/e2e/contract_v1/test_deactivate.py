"""Deactivation: now, later, and for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.contract_v1.speaking import at, refused, when

pytestmark = pytest.mark.asyncio(loop_scope="module")


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

    async def test_path_and_body_must_agree_where_the_body_names_a_tenant(self, market, tenant_id):
        await market.activate(tenant_id)
        body = {"reason": "admin_request", "preserve_data": True}

        other = await market.post(tenant_id, "deactivate", body | {"tenant_id": "another_univ"})
        still = await market.status(tenant_id)
        same = await market.post(tenant_id, "deactivate", body | {"tenant_id": tenant_id})

        assert refused(other, 422, "tenant_id_mismatch")
        assert (still, same.status_code) == ("active", 200)

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
