"""The market's main job: a school subscribes, its tenant becomes active, expires, comes back, and is purged."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from mt_paas.standard_api.models import TenantState


class TestActivation:
    async def test_a_subscription_makes_the_tenant_active_at_its_service(self, scene: Any) -> None:
        started = await scene.subscribe()
        assert (await scene.tenant())["state"] == "pending"
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert operation["state"] == "succeeded"
        assert [step["name"] for step in operation["steps"]] == ["activate", "verify", "health"]
        tenant = await scene.tenant()
        assert tenant["state"] == "active"
        assert tenant["access_url"] == f"{scene.url}/app/hallym_univ"
        assert scene.service.tenants["hallym_univ"].request.plan == "premium"
        assert scene.service.tenants["hallym_univ"].request.admin.name == "홍길동"

    async def test_the_features_of_its_plan_go_along_wherever_the_manifest_lists_them(self, scene: Any) -> None:
        document = scene.service.manifest(scene.url).model_dump(mode="json", exclude_none=True)
        document |= {"features": {}, "plans": {"premium": {"features": ["notes", "rag"]}}}
        body = {"manifest": json.dumps(document), "api_key": scene.service.api_key}
        assert (await scene.operator.post("/services", json=body)).status_code == 202
        await scene.work()
        await scene.operation((await scene.subscribe())["meta"]["operation"]["id"])
        assert scene.service.tenants["hallym_univ"].request.features == ["notes", "rag"]

    async def test_every_step_is_written_down_with_who_and_why(self, active: Any) -> None:
        history = await active.get("/tenants/hallym_univ/history")
        assert [(row["from_state"], row["to_state"], row["actor"]) for row in history] == [
            (None, "pending", "the operator"),
            ("pending", "provisioning", "system"),
            ("provisioning", "active", "system"),
        ]
        assert history[1]["reason"] == "activation by the operator"

    async def test_the_setup_link_is_shown_once(self, active: Any) -> None:
        first = await active.operator.post("/tenants/hallym_univ/setup-link")
        assert first.json()["data"]["setup_url"].startswith(f"{active.url}/setup/")
        assert first.headers["cache-control"] == "no-store"
        again = await active.operator.post("/tenants/hallym_univ/setup-link")
        assert (again.status_code, again.json()["error"]) == (410, "setup_link_taken")

    async def test_a_second_service_gives_the_school_a_second_id(self, active: Any) -> None:
        await active.operator.post(
            "/services",
            json={
                "manifest": _renamed(active, "other_tutor"),
                "api_key": active.service.api_key,
            },
        )
        await active.work()
        started = await active.subscribe(service_id="other_tutor")
        assert started["data"]["tenant_id"] == "hallym_univ_other_tutor"

    async def test_the_same_organization_subscribes_to_a_service_once(self, active: Any) -> None:
        again = await active.operator.post(
            "/subscriptions",
            json={"organization": "hallym_univ", "service_id": "fake_tutor", "plan": "basic", "admin": active.admin},
        )
        assert (again.status_code, again.json()["error"]) == (409, "already_subscribed")
        assert "hallym_univ" in again.json()["message"]

    async def test_two_subscriptions_at_once_make_one_tenant(self, scene: Any) -> None:
        body = {"organization": "hallym_univ", "service_id": "fake_tutor", "plan": "basic", "admin": scene.admin}
        answers = await asyncio.gather(*(scene.operator.post("/subscriptions", json=body) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
        assert (await scene.operator.get("/tenants")).json()["meta"]["total"] == 1


def _renamed(scene: Any, service_id: str) -> str:
    from mt_paas.testing.doubles import FakeService

    manifest = FakeService(service_id=service_id).manifest(scene.url)
    return manifest.model_dump_json(exclude_none=True)


class TestExpiry:
    async def test_an_ended_term_deactivates_the_tenant_and_keeps_its_data(self, active: Any, clock: Any) -> None:
        active.service.tenants["hallym_univ"].data["notes"] = ["first"]
        clock.moved = timedelta(days=32)
        swept = await active.operator.post("/subscriptions/sweep")
        assert swept.json()["data"]["expired"] == 1
        await active.work()
        tenant = await active.tenant()
        assert (tenant["state"], tenant["data_preserved"]) == ("deactivated", True)
        assert tenant["reactivation_deadline"] is not None
        kept = active.service.tenants["hallym_univ"]
        assert (kept.state, kept.data) == (TenantState.DEACTIVATED, {"notes": ["first"]})
        last = active.service.calls[-2]
        assert (last.operation, last.body["reason"]) == ("deactivate", "subscription_expired")

    async def test_a_running_term_is_left_alone(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=27)
        assert (await active.operator.post("/subscriptions/sweep")).json()["data"]["expired"] == 0
        assert (await active.tenant())["state"] == "active"

    async def test_sweeps_at_once_expire_each_subscription_once(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=32)
        sweeps = await asyncio.gather(*(active.operator.post("/subscriptions/sweep") for _ in range(5)))
        assert sum(sweep.json()["data"]["expired"] for sweep in sweeps) == 1
        await active.work()
        assert active.service.count("deactivate") == 1

    async def test_a_term_that_ends_while_the_tenant_is_being_made_closes_it_afterwards(
        self, scene: Any, clock: Any
    ) -> None:
        await scene.subscribe()
        clock.moved = timedelta(days=32)
        await scene.operator.post("/subscriptions/sweep")
        operations = (await scene.operator.get("/operations")).json()["data"]
        for operation in operations:
            await scene.operation(operation["id"])
        assert (await scene.tenant())["state"] == "deactivated"


class TestReactivation:
    async def test_an_expired_tenant_comes_back_with_its_data_when_renewed(self, active: Any, clock: Any) -> None:
        active.service.tenants["hallym_univ"].data["notes"] = ["first"]
        clock.moved = timedelta(days=32)
        await active.operator.post("/subscriptions/sweep")
        await active.work()
        refused = await active.operator.post("/tenants/hallym_univ/reactivate", json={})
        assert (refused.status_code, refused.json()["error"]) == (409, "subscription_not_active")
        operation = await active.do("reactivate", renew_months=12)
        assert operation["state"] == "succeeded"
        assert (await active.tenant())["state"] == "active"
        assert active.service.tenants["hallym_univ"].data == {"notes": ["first"]}
        subscription = (await active.operator.get("/subscriptions")).json()["data"][0]
        assert (subscription["state"], subscription["term_months"]) == ("active", 12)

    async def test_past_its_deadline_it_does_not(self, active: Any, clock: Any) -> None:
        await active.do("deactivate")
        clock.moved = timedelta(days=91)
        refused = await active.operator.post("/tenants/hallym_univ/reactivate", json={"renew_months": 1})
        assert (refused.status_code, refused.json()["error"]) == (410, "reactivation_deadline_passed")

    async def test_a_term_that_still_runs_is_not_lengthened_by_coming_back(self, active: Any) -> None:
        [before] = await active.get("/subscriptions")
        await active.do("deactivate")
        assert (await active.do("reactivate", renew_months=12))["state"] == "succeeded"
        [after] = await active.get("/subscriptions")
        assert after == before

    async def test_renewing_a_running_subscription_lengthens_it_and_calls_nobody(self, active: Any) -> None:
        before = (await active.operator.get("/subscriptions")).json()["data"][0]
        calls = len(active.service.calls)
        renewed = await active.operator.post(f"/subscriptions/{before['id']}/renew", json={"term_months": 2})
        assert renewed.json()["data"]["ends_at"] > before["ends_at"]
        assert renewed.json()["meta"]["operation"] is None
        await active.work()
        assert len(active.service.calls) == calls


class TestPurge:
    async def test_a_deactivated_tenant_is_deleted_with_a_receipt(self, active: Any) -> None:
        await active.do("deactivate")
        operation = await active.do("purge")
        receipt = operation["result"]["receipt"]
        assert receipt["tenant_id"] == "hallym_univ"
        assert operation["result"]["service_answered"] == f"200 purged at {receipt['purged_at']}"
        assert operation["result"]["verified"].startswith("its status says 4")
        assert (await active.tenant())["state"] == "purged"
        assert "hallym_univ" in active.service.purged

    async def test_an_active_tenant_is_not_purged(self, active: Any) -> None:
        refused = await active.operator.post("/tenants/hallym_univ/purge")
        assert (refused.status_code, refused.json()["error"]) == (409, "tenant_in_wrong_state")
        assert refused.json()["message"] == (
            "hallym_univ is active; this takes a tenant that is deactivated or purging."
        )

    async def test_the_school_may_subscribe_again_and_gets_another_id(self, active: Any) -> None:
        await active.do("deactivate")
        await active.do("purge")
        started = await active.subscribe()
        assert started["data"]["tenant_id"] == "hallym_univ_fake_tutor"
        assert (await active.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"


class TestCancellation:
    async def test_a_cancelled_subscription_closes_its_tenant(self, active: Any) -> None:
        subscription = (await active.operator.get("/subscriptions")).json()["data"][0]
        cancelled = await active.operator.post(f"/subscriptions/{subscription['id']}/cancel")
        await active.operation(cancelled.json()["meta"]["operation"]["id"])
        assert (await active.tenant())["state"] == "deactivated"
        again = await active.operator.post(f"/subscriptions/{subscription['id']}/cancel")
        assert (again.status_code, again.json()["error"]) == (409, "illegal_transition")
