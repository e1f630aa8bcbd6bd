"""What goes wrong between the steps: queued work, lost answers, states that changed meanwhile, services that forget."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from mt_paas.errors import OperationInProgress
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import fail, garbage, refuse, rightly, silent
from service_market.assembly import Market
from service_market.core.ids import new_id
from service_market.rooms.provisioning.service.operations import close_expired, resume_forgotten
from service_market.rooms.provisioning.service.runner import enqueue
from sqlalchemy import text

NGINX = garbage(b"<html>404 Not Found</html>", status=404)


@pytest.fixture
def patience() -> float:
    """Short, for services that say nothing."""
    return 4


async def subscription_of(scene: Any) -> dict[str, Any]:
    return dict((await scene.operator.get("/subscriptions")).json()["data"][0])


async def sweep(scene: Any) -> int:
    return int((await scene.operator.post("/subscriptions/sweep")).json()["data"]["expired"])


class TestJobsThatAreWaitingAlready:
    async def test_do_not_undo_the_work_that_asked_for_them(self, market: Market) -> None:
        operation, tenant = new_id(), new_id()
        async with market.kernel.unit() as uow:
            await uow.session.execute(text("CREATE TABLE proof (x int)"))
            await enqueue(uow, operation, tenant)
            await enqueue(uow, operation, tenant)
        async with market.kernel.unit() as uow:
            assert await uow.session.scalar(text("SELECT count(*) FROM proof")) == 0
            waiting = await uow.session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"))
        assert waiting == 1

    async def test_a_manifest_twice_in_a_row_is_verified_once(self, scene: Any) -> None:
        first = await scene.operator.post("/services/fake_tutor/verify", headers={"Idempotency-Key": "1"})
        again = await scene.operator.post("/services/fake_tutor/verify", headers={"Idempotency-Key": "2"})
        assert (first.status_code, again.status_code) == (202, 202)
        await scene.work()
        assert (await scene.get("/services/fake_tutor"))["state"] == "listed"

    async def test_do_not_keep_a_dead_workers_job_from_being_rescued(self, scene: Any) -> None:
        """The dead worker's job and one that waits under the same name: the one that waits does the work."""
        await scene.operator.post("/services/fake_tutor/verify")
        async with scene.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'"))
        await scene.operator.post("/services/fake_tutor/verify")
        queue = scene.market.kernel.jobs
        async with queue._connected():
            await queue.rescue(stalled_after=0)
        await scene.work()
        assert (await scene.get("/services/fake_tutor"))["state"] == "listed"

    async def test_an_operation_whose_job_was_lost_gets_one_and_others_do_not(self, scene: Any) -> None:
        lost = await scene.subscribe()
        await scene.add_school("snu_univ", "서울대학교")
        await scene.subscribe(organization="snu_univ")
        lost_id = lost["meta"]["operation"]["id"]
        async with scene.market.kernel.unit() as uow:
            by_id = text("DELETE FROM procrastinate_jobs WHERE args ->> 'operation_id' = :id")
            await uow.session.execute(by_id, {"id": lost_id})
            await uow.session.execute(text("UPDATE operation SET created_at = created_at - interval '1 hour'"))
        assert await resume_forgotten(scene.market.kernel) == 1
        assert (await scene.operation(lost_id))["state"] in {"succeeded", "failed"}


class TestATermThatEndsWhileTheServiceIsAway:
    async def test_is_closed_when_it_is_back_however_long_it_takes(self, active: Any, clock: Any) -> None:
        active.service.behave(fail(503), on="deactivate")
        clock.moved = timedelta(days=32)
        assert await sweep(active) == 1
        operation = (await active.operator.get("/operations")).json()["data"][0]
        assert (await active.operation(operation["id"]))["state"] == "failed"
        assert await close_expired(active.market.kernel) == 0  # it was given up only now
        async with active.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE operation SET finished_at = finished_at - interval '1 hour'"))
        active.service.behave(rightly, on="deactivate")
        assert await close_expired(active.market.kernel) == 1
        await active.work()
        assert (await active.tenant())["state"] == "deactivated"
        assert active.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED

    async def test_and_is_renewed_meanwhile_comes_back(self, active: Any, clock: Any) -> None:
        active.service.behave(fail(503), on="deactivate")
        clock.moved = timedelta(days=32)
        await sweep(active)
        first = (await active.operator.get("/operations")).json()["data"][0]
        await active.operation(first["id"])
        active.service.behave(rightly, on="deactivate")
        subscription = await subscription_of(active)
        renewed = await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={})
        operation = await active.operation(renewed.json()["meta"]["operation"]["id"])
        assert operation["state"] == "succeeded", operation
        assert (await active.tenant())["state"] == "active"

    async def test_an_expiry_that_waited_behind_a_renewal_leaves_the_tenant_open(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=32)
        await sweep(active)
        subscription = await subscription_of(active)
        await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={})
        for operation in (await active.operator.get("/operations")).json()["data"]:
            assert (await active.operation(operation["id"]))["state"] == "succeeded"
        assert (await active.tenant())["state"] == "active"
        assert active.service.tenants["hallym_univ"].state is TenantState.ACTIVE


class TestAnswersThatProveNothing:
    async def test_a_404_of_somebody_on_the_way_is_no_receipt(self, active: Any) -> None:
        await active.do("deactivate")
        active.service.behave(NGINX)
        operation = await active.do("purge")
        assert operation["state"] == "failed"
        assert (await active.tenant())["state"] == "purging"
        assert "hallym_univ" in active.service.tenants

    async def test_a_tenant_that_its_service_lost_can_be_closed_and_purged(self, active: Any) -> None:
        del active.service.tenants["hallym_univ"]
        assert (await active.do("deactivate"))["state"] == "succeeded"
        tenant = await active.tenant()
        assert (tenant["state"], tenant["data_preserved"]) == ("deactivated", False)
        assert (await active.do("purge"))["state"] == "succeeded"

    async def test_a_refusal_does_not_make_a_lost_attempt_harmless(self, scene: Any) -> None:
        async def works_and_says_nothing(call: Any) -> None:
            async def swallow(_: Any) -> None:
                """Drop the answer."""

            await call.service.right(call.scope, call.receive, swallow)
            scene.service.behave(refuse(OperationInProgress), on="activate")
            await silent(call)

        scene.service.behave(works_and_says_nothing, on="activate")
        started = await scene.subscribe()
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert operation["state"] == "failed"
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED


class TestWhatBreaksInTheMarketItself:
    async def test_ends_the_operation_with_its_tenant_failed(self, scene: Any) -> None:
        started = await scene.subscribe()
        async with scene.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE tenant SET admin_email = 'nobody'"))  # no activation takes that
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert (operation["state"], operation["error"]["code"]) == ("failed", "internal_error")
        assert "nobody" not in str(operation)
        assert (await scene.tenant())["state"] == "failed"

    async def test_an_operation_whose_tenant_changed_while_it_waited_fails_and_blocks_nobody(self, active: Any) -> None:
        await active.do("deactivate")
        async with active.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE tenant SET state = 'purging'"))
        subscription = await subscription_of(active)
        refused = await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={})
        assert refused.status_code == 200  # it runs still, so there is only a longer term
        assert (await active.do("purge"))["state"] == "succeeded"


class TestRenewal:
    async def test_of_a_term_that_is_over_and_not_yet_swept_begins_today(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=95)
        subscription = await subscription_of(active)
        renewed = await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={"term_months": 1})
        assert renewed.json()["data"]["ends_at"] > (clock.now() + timedelta(days=27)).isoformat()
        assert await sweep(active) == 0

    async def test_past_the_deadline_is_refused_as_a_reactivation_is(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=32)
        await sweep(active)
        await active.work()
        clock.moved = timedelta(days=32 + 91)
        subscription = await subscription_of(active)
        refused = await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={})
        assert (refused.status_code, refused.json()["error"]) == (410, "reactivation_deadline_passed")
        assert (await subscription_of(active))["state"] == "expired"

    async def test_does_not_reach_into_the_next_century(self, active: Any) -> None:
        subscription = await subscription_of(active)
        path = f"/subscriptions/{subscription['id']}/renew"
        refused = await active.operator.post(path, json={"term_months": 120})
        assert (refused.status_code, refused.json()["error"]) == (422, "term_too_long")

    async def test_of_a_cancelled_subscription_brings_its_tenant_back(self, active: Any) -> None:
        subscription = await subscription_of(active)
        cancelled = await active.operator.post(f"/subscriptions/{subscription['id']}/cancel")
        await active.operation(cancelled.json()["meta"]["operation"]["id"])
        renewed = await active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={})
        assert (await active.operation(renewed.json()["meta"]["operation"]["id"]))["state"] == "succeeded"
        assert (await active.tenant())["state"] == "active"

    async def test_and_reactivation_at_once_do_not_lock_each_other_out(self, active: Any, clock: Any) -> None:
        clock.moved = timedelta(days=32)
        await sweep(active)
        await active.work()
        subscription = await subscription_of(active)
        answers = await asyncio.gather(
            active.operator.post(f"/subscriptions/{subscription['id']}/renew", json={}),
            active.operator.post("/tenants/hallym_univ/reactivate", json={"renew_months": 1}),
            active.operator.post("/subscriptions/sweep"),
        )
        assert all(answer.status_code < 500 for answer in answers)
        await active.work()
        assert (await active.tenant())["state"] == "active"


class TestWhoMay:
    async def test_a_vendor_does_not_have_anothers_service_verified(self, scene: Any, caller_with: Any) -> None:
        await scene.operator.post("/organizations", json={"slug": "vendor", "name": "V", "kind": "vendor"})
        vendor = await caller_with(organization="vendor", role="vendor_developer")
        refused = await vendor.post("/services/fake_tutor/verify")
        assert (refused.status_code, refused.json()["error"]) == (403, "service_of_another_vendor")

    async def test_a_listed_service_that_does_not_pass_again_stays_listed_with_the_reason(self, scene: Any) -> None:
        scene.service.behave(fail(503), on="health")
        await scene.operator.post("/services/fake_tutor/verify")
        await scene.work()
        service = await scene.get("/services/fake_tutor")
        assert service["state"] == "listed"
        assert "503" in service["reason"]

    async def test_others_see_neither_a_draft_nor_a_reason_nor_a_source(self, scene: Any, caller_with: Any) -> None:
        school = await caller_with(organization="hallym_univ", role="school_manager")
        manifest = (await school.get("/services/fake_tutor/manifest")).json()["data"]
        assert (manifest["source"], manifest["document"]["service"]["id"]) == (None, "fake_tutor")
        assert (await scene.get("/services/fake_tutor/manifest"))["source"] is not None
        draft = scene.service.manifest("http://127.0.0.1:9").model_dump(mode="json", exclude_none=True)
        draft["service"]["id"] = "draft_tutor"
        new = {"manifest": json.dumps(draft), "api_key": scene.service.api_key}
        assert (await scene.operator.post("/services", json=new)).status_code == 202
        assert (await school.get("/services/draft_tutor")).status_code == 404
        assert [row["service_id"] for row in (await school.get("/services")).json()["data"]] == ["fake_tutor"]
        assert (await scene.operator.get("/services")).json()["meta"]["total"] == 2

    async def test_a_school_does_not_take_an_id_that_reads_as_anothers(self, scene: Any, caller_with: Any) -> None:
        school = await caller_with(organization="hallym_univ", role="school_manager")
        body = {"service_id": "fake_tutor", "plan": "basic", "admin": scene.admin}
        refused = await school.post("/subscriptions", json={**body, "tenant_id": "snu_univ"})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert (await school.post("/subscriptions", json={**body, "tenant_id": "hallym_univ-ai"})).status_code == 202

    async def test_what_was_closed_for_a_violation_is_opened_by_the_operator_alone(
        self, active: Any, caller_with: Any
    ) -> None:
        school = await caller_with(organization="hallym_univ", role="school_manager")
        refused = await school.post("/tenants/hallym_univ/deactivate", json={"reason": "violation"})
        assert refused.status_code == 403
        await active.do("deactivate", reason="violation")
        refused = await school.post("/tenants/hallym_univ/reactivate", json={})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert (await active.do("reactivate"))["state"] == "succeeded"


class TestSecrets:
    async def test_the_setup_link_is_nowhere_after_it_was_taken(self, active: Any) -> None:
        await active.operator.post("/tenants/hallym_univ/setup-link")
        async with active.market.kernel.unit() as uow:
            results = (await uow.session.execute(text("SELECT result::text FROM operation_step"))).scalars().all()
            sealed = await uow.session.scalar(text("SELECT sealed_setup_url FROM tenant"))
        assert sealed is None
        assert not any("setup" in (result or "") for result in results)

    async def test_a_new_key_is_used_only_when_the_service_was_verified_with_it_proposed(self, scene: Any) -> None:
        scene.service.behave(fail(503), on="health")
        manifest = scene.service.manifest(scene.url).model_dump_json(exclude_none=True)
        await scene.operator.post("/services", json={"manifest": manifest, "api_key": "another-key-1234567890"})
        await scene.work()
        scene.service.behave(rightly, on="health")
        started = await scene.subscribe()
        assert (await scene.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"
