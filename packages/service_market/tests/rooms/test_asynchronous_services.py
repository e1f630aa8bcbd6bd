"""Services that answer 202 and work on: what is begun is remembered, asked for, and believed only when it has ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from mt_paas.errors import OperationNotFound, ServiceNotReady
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService, answer_with, fail, flaky, garbage, refuse, rightly, silent
from service_market.assembly import assemble
from service_market.rooms.provisioning.service.operations import resume_forgotten
from service_market.settings import Settings
from sqlalchemy import text


@pytest.fixture
def patience() -> float:
    """Short, for services that say nothing."""
    return 4


@pytest.fixture
async def service() -> FakeService:
    return FakeService(service_id="fake_tutor", asynchronous=True, steps=2)


@pytest.fixture
def until(service: FakeService) -> asyncio.Event:
    """What the service waits for before it ends an operation."""
    service.until = asyncio.Event()
    return service.until


async def subscribed(scene: Any) -> str:
    return str((await scene.subscribe())["meta"]["operation"]["id"])


async def begun(scene: Any, operation_id: str, state: str = "accepted") -> dict[str, Any]:
    """Work until the service has begun the first step, and return the operation."""
    while True:
        operation = await scene.get(f"/operations/{operation_id}")
        if any(step["state"] == state for step in operation["steps"]):
            return dict(operation)
        assert operation["state"] not in {"succeeded", "failed"}, operation
        await scene.work()


def ended(error: str, message: str) -> Any:
    """Let whatever operation is asked for fail before its work was done."""

    async def behave(call: Any) -> None:
        call.service.operations[call.recorded.path.rpartition("/")[2]].fail(error, message)
        await rightly(call)

    return behave


class TestALifeOfATenant:
    async def test_every_operation_is_driven_to_its_end(self, scene: Any) -> None:
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["attempt"], operation["error"]) == ("succeeded", 1, None)
        assert (await scene.tenant())["state"] == "active"
        assert scene.service.count("activate") == 1
        assert (await scene.do("deactivate"))["state"] == "succeeded"
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED
        assert (await scene.do("reactivate"))["state"] == "succeeded"
        assert scene.service.tenants["hallym_univ"].state is TenantState.ACTIVE
        await scene.do("deactivate")
        purged = await scene.do("purge")
        assert purged["result"]["receipt"]["tenant_id"] == "hallym_univ"
        assert "hallym_univ" in scene.service.purged

    async def test_a_purge_that_takes_long_ends_with_its_receipt(self, scene: Any) -> None:
        await scene.operation(await subscribed(scene))
        await scene.do("deactivate")
        service = scene.service

        async def later(call: Any) -> None:
            accepted = service.begin("hallym_univ", "purge", None, lambda: service.purge("hallym_univ"))
            await answer_with(202, accepted.model_dump(mode="json"))(call)

        service.behave(later, on="purge")
        operation = await scene.do("purge")
        assert (operation["state"], operation["result"]["receipt"]["tenant_id"]) == ("succeeded", "hallym_univ")
        assert service.count("purge") == 1

    async def test_the_set_up_link_of_a_later_answer_is_handed_over_once(self, scene: Any) -> None:
        await scene.operation(await subscribed(scene))
        first = await scene.operator.post("/tenants/hallym_univ/setup-link")
        assert first.json()["data"]["setup_url"].startswith(f"{scene.url}/setup/")

    async def test_a_password_in_a_later_answer_is_kept_nowhere(self, scene: Any, capsys: Any) -> None:
        async def with_a_password(call: Any) -> None:
            result = {"status": "activated", "tenant_id": "hallym_univ", "access_url": "https://x.example"}
            result |= {"admin_credentials": {"temp_password": "hunter2-hunter2"}}
            body = {"operation_id": call.recorded.path.rpartition("/")[2], "status": "succeeded", "result": result}
            scene.service.step("hallym_univ")
            await answer_with(200, body)(call)

        scene.service.behave(with_a_password, on="operation")
        assert (await scene.operation(await subscribed(scene)))["state"] == "succeeded"
        async with scene.market.kernel.unit() as uow:
            for table in ("operation", "operation_step", "tenant", "tenant_transition", "procrastinate_jobs"):
                rows = (await uow.session.scalars(text(f"SELECT {table}::text FROM {table}"))).all()  # noqa: S608 - ours
                assert rows or table == "procrastinate_jobs"
                assert "hunter2" not in "".join(rows), table
        assert "hunter2" not in "".join(capsys.readouterr())


class TestWhileTheServiceWorks:
    async def test_nobody_waits_for_it(self, scene: Any, until: asyncio.Event) -> None:
        """The operation is let go of: no lease, no job that runs, and the tenant's state says what is going on."""
        operation = await begun(scene, await subscribed(scene))
        assert (operation["state"], operation["steps"][0]["state"]) == ("running", "accepted")
        assert operation["next_attempt_at"] is not None
        assert (await scene.tenant())["state"] == "provisioning"
        async with scene.market.kernel.unit() as uow:
            held = text("SELECT count(*) FROM operation WHERE owner IS NOT NULL OR lease_expires_at IS NOT NULL")
            assert await uow.session.scalar(held) == 0
            doing = text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'")
            assert await uow.session.scalar(doing) == 0
        until.set()
        assert (await scene.operation(operation["id"]))["state"] == "succeeded"

    async def test_questions_are_no_attempts(self, scene: Any) -> None:
        scene.service.steps = 6
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["attempt"]) == ("succeeded", 1)
        assert {step["name"]: step["attempts"] for step in operation["steps"]}["activate"] == 1
        assert scene.service.count("operation") == 6
        assert scene.service.count("activate") == 1

    async def test_it_is_asked_no_sooner_than_it_wants(self, scene: Any) -> None:
        async def later(call: Any) -> None:
            await answer_with(202, {"operation_id": "op_1", "retry_after": 3})(call)

        scene.service.behave(later, on="activate")
        operation = await begun(scene, await subscribed(scene))
        async with scene.market.kernel.unit() as uow:
            wait = text("SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM operation WHERE id = :id")
            assert 2 < await uow.session.scalar(wait, {"id": operation["id"]}) <= 3
        assert scene.service.count("operation") == 0

    @pytest.mark.parametrize(
        "behaviour", [fail(500), refuse(ServiceNotReady), garbage(), silent, refuse(OperationNotFound)]
    )
    async def test_a_question_without_an_answer_says_nothing(self, scene: Any, behaviour: Any) -> None:
        scene.service.behave(flaky(1, behaviour), on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["attempt"], operation["error"]) == ("succeeded", 1, None)
        assert scene.service.count("activate") == 1

    async def test_what_keeps_it_from_an_answer_is_told_meanwhile(self, scene: Any, until: asyncio.Event) -> None:
        scene.service.behave(fail(500, "no room"), on="operation")
        operation_id = await subscribed(scene)
        await begun(scene, operation_id)
        while (operation := await scene.get(f"/operations/{operation_id}"))["error"] is None:
            await scene.work()
        assert (operation["state"], operation["error"]["code"]) == ("running", "service_failed")
        assert "no room" in operation["error"]["message"]
        scene.service.behave(rightly, on="operation")
        until.set()
        assert (await scene.operation(operation_id))["state"] == "succeeded"

    async def test_another_market_process_goes_on_where_this_one_stopped(
        self, scene: Any, until: asyncio.Event, settings: Settings, addresses: Any
    ) -> None:
        """The job is lost with the process that had it; what the service works on is in the database."""
        operation_id = await subscribed(scene)
        await begun(scene, operation_id)
        async with scene.market.kernel.unit() as uow:
            await uow.session.execute(text("DELETE FROM procrastinate_jobs"))
            await uow.session.execute(text("UPDATE operation SET next_attempt_at = next_attempt_at - interval '1 h'"))
        until.set()
        other = assemble(settings, addresses)
        try:
            assert await resume_forgotten(other.kernel) == 1
            moved = replace(scene, market=other)
            assert (await moved.operation(operation_id))["state"] == "succeeded"
        finally:
            await other.close()
        assert scene.service.count("activate") == 1

    async def test_a_service_that_forgot_is_asked_to_do_it_again(self, scene: Any) -> None:
        scene.service.behave(flaky(3, refuse(OperationNotFound)), on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["attempt"]) == ("succeeded", 2)
        keys = {call.headers["idempotency-key"] for call in scene.service.calls if call.operation == "activate"}
        assert keys == {operation["id"]}

    async def test_without_the_declaration_a_202_is_no_answer(self, scene: Any) -> None:
        bare = scene.service.manifest(scene.url).model_copy(update={"capabilities": []})
        await scene.operator.post(
            "/services", json={"manifest": bare.model_dump_json(exclude_none=True), "api_key": scene.service.api_key}
        )
        await scene.work()
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["error"]["code"]) == ("failed", "service_answer_invalid")
        assert "does not declare that it answers later" in operation["error"]["message"]


class TestWorkThatFails:
    async def test_leaves_the_tenant_failed_with_the_services_words_and_can_be_tried_again(self, scene: Any) -> None:
        scene.service.behave(ended("disk_full", "There is no room left."), on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["error"]["code"]) == ("failed", "service_failed")
        assert operation["error"]["message"].endswith("failed with disk_full: There is no room left.")
        assert operation["attempt"] == 1  # it has ended: asking again would not change it
        tenant = await scene.tenant()
        assert (tenant["state"], tenant["may_be_orphaned"]) == ("failed", False)
        assert "There is no room left." in tenant["failure_reason"]
        scene.service.behave(rightly, on="operation")
        again = await scene.operator.post("/tenants/hallym_univ/provision")
        assert (await scene.operation(again.json()["data"]["id"]))["state"] == "succeeded"
        assert (await scene.tenant())["state"] == "active"

    async def test_that_can_pass_is_tried_again_at_once(self, scene: Any) -> None:
        scene.service.behave(flaky(1, ended("service_not_ready", "Starting.")), on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["attempt"]) == ("succeeded", 2)

    async def test_a_result_that_is_none_is_not_believed(self, scene: Any) -> None:
        async def of_another(call: Any) -> None:
            result = {"status": "activated", "tenant_id": "other_univ", "access_url": "https://x.example"}
            body = {"operation_id": call.recorded.path.rpartition("/")[2], "status": "succeeded", "result": result}
            await answer_with(200, body)(call)

        scene.service.behave(of_another, on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["error"]["code"]) == ("failed", "service_answer_invalid")
        assert "it is about other_univ, not about hallym_univ" in operation["error"]["message"]

    async def test_a_tenant_that_the_service_refused_is_not_touched_there(self, scene: Any) -> None:
        scene.service.behave(ended("tenant_already_exists", "It is another's."), on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert operation["error"]["code"] == "service_refused"
        assert scene.service.count("deactivate") == 0

    async def test_a_deactivation_that_fails_leaves_the_tenant_deactivating(self, scene: Any) -> None:
        await scene.operation(await subscribed(scene))
        scene.service.behave(ended("disk_full", "No."), on="operation")
        operation = await scene.do("deactivate")
        assert operation["state"] == "failed"
        assert (await scene.tenant())["state"] == "deactivating"
        scene.service.behave(rightly, on="operation")
        assert (await scene.do("deactivate"))["state"] == "succeeded"


class TestADeadline:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        brief = settings.provisioning.model_copy(update={"deadline": 1.0, "longest_delay": 0.1})
        return settings.model_copy(update={"provisioning": brief})

    async def test_what_has_not_ended_by_then_is_withdrawn_and_undone(self, scene: Any, until: asyncio.Event) -> None:
        operation = await scene.operation(await subscribed(scene))
        assert (operation["state"], operation["error"]["code"]) == ("failed", "service_timeout")
        assert "has not ended its operation op_" in operation["error"]["message"]
        (remote,) = scene.service.operations.values()
        assert remote.error.error == "cancelled"
        tenant = await scene.tenant()
        assert (tenant["state"], tenant["may_be_orphaned"]) == ("failed", False)
        assert "hallym_univ" not in scene.service.tenants

    async def test_what_can_not_be_withdrawn_may_have_left_a_tenant(self, scene: Any, until: asyncio.Event) -> None:
        async def no_cancelling(call: Any) -> None:
            await (refuse(OperationNotFound) if call.recorded.method == "DELETE" else rightly)(call)

        scene.service.behave(no_cancelling, on="operation")
        operation = await scene.operation(await subscribed(scene))
        assert {step["name"]: step["state"] for step in operation["steps"]} == {"activate": "undo_failed"}
        assert "still works on its operation op_" in operation["steps"][0]["error"]
        assert (await scene.tenant())["may_be_orphaned"] is True

    async def test_undoing_may_take_a_moment_too(self, scene: Any) -> None:
        """The tenant is there and shows itself suspended: closing it again is answered later as well."""
        status = {"status": "suspended", "tenant_id": "hallym_univ", "plan": "premium"}
        status |= {"created_at": "2026-01-01T00:00:00Z", "users": {"total": 0, "active_today": 0}}
        scene.service.behave(answer_with(200, status | {"storage": {"used_gb": 0}}), on="status")
        operation = await scene.operation(await subscribed(scene))
        assert {step["name"]: step["state"] for step in operation["steps"]}["activate"] == "undone"
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED
        assert scene.service.count("deactivate") == 1
        assert (operation["state"], operation["error"]["code"]) == ("failed", "service_lied")

    async def test_undoing_that_never_ends_is_given_up_and_listed(self, scene: Any) -> None:
        def stuck(call: Any) -> Any:
            return answer_with(202, {"operation_id": "op_stuck", "retry_after": 0})(call)

        scene.service.behave(stuck, on="deactivate")
        scene.service.behave(answer_with(500, {}), on="health")
        scene.service.behave(_in_progress("op_stuck"), on="operation")
        operation = await scene.operation(await subscribed(scene))
        steps = {step["name"]: step for step in operation["steps"]}
        assert steps["activate"]["state"] == "undo_failed"
        assert "has not ended its operation op_stuck by the deadline" in steps["activate"]["error"]
        assert (await scene.tenant())["may_be_orphaned"] is True

    async def test_a_term_that_is_over_is_closed_however_long_it_takes(self, scene: Any, clock: Any) -> None:
        await scene.operation(await subscribed(scene))
        scene.service.until = asyncio.Event()
        clock.moved = timedelta(days=32)
        await scene.operator.post("/subscriptions/sweep")
        newest = (await scene.operator.get("/operations")).json()["data"][0]
        assert (await scene.operation(newest["id"]))["state"] == "failed"
        assert (await scene.tenant())["state"] == "deactivating"
        scene.service.until.set()
        assert (await scene.do("deactivate"))["state"] == "succeeded"
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED


def _in_progress(stuck: str) -> Any:
    async def behave(call: Any) -> None:
        if call.recorded.path.endswith(stuck):
            await answer_with(200, {"operation_id": stuck, "status": "in_progress", "retry_after": 0})(call)
        else:
            await rightly(call)

    return behave


class TestAServiceOfVersionOne:
    @pytest.fixture
    async def service(self) -> FakeService:
        return FakeService(service_id="fake_tutor", version="1.0")

    async def test_is_asked_in_version_one_and_purged_by_a_deactivation(self, active: Any) -> None:
        await active.do("deactivate")
        operation = await active.do("purge")
        assert operation["result"]["service_answered"] == "200 deactivated, data_preserved: false"
        assert active.service.count("purge") == 0
        asked = [call.headers["x-mt-api-version"] for call in active.service.calls]
        assert set(asked) == {"1"}

    async def test_that_keeps_data_that_it_was_told_to_delete_does_not_get_a_receipt(self, active: Any) -> None:
        await active.do("deactivate")
        kept = json.dumps({"status": "deactivated", "tenant_id": "hallym_univ", "data_preserved": True}).encode()
        active.service.behave(garbage(kept, content_type="application/json"), on="deactivate")
        operation = await active.do("purge")
        assert operation["error"]["message"].endswith("answered that it kept them")
        assert (await active.tenant())["state"] == "purging"
