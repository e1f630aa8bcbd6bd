"""Activation, and activation again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from tests.e2e.contract_v1.speaking import PUBLIC_URL, at, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


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

    async def test_a_whole_number_may_be_written_with_a_point(self, market, tenant_id):
        first = await market.activate(tenant_id, config={"max_users": 500, "storage_limit_gb": 100})
        again = await market.activate(tenant_id, config={"max_users": 500.0, "storage_limit_gb": 100.0})

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

    @pytest.mark.parametrize("key", ["", "two words", "x" * 256])
    async def test_an_idempotency_key_that_is_none_is_refused(self, market, tenant_id, key):
        assert refused(await market.activate(tenant_id, key=key), 422, "invalid_body")
        assert await market.status(tenant_id) == "tenant_not_found"

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
            ({"config": {"max_users": 5.5}}, "config.max_users"),
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
