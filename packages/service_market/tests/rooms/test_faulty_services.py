"""Services that answer 409, 500, garbage, nothing, or 200 and lie: the tenant fails for a reason that says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mt_paas.errors import InvalidApiKey, OperationInProgress, TenantAlreadyExists
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import (
    Behaviour,
    dripping,
    dropped,
    fail,
    flaky,
    garbage,
    lying,
    refuse,
    rightly,
    silent,
    slow,
)

FAULTS: dict[str, tuple[Behaviour, str, str]] = {
    "409": (
        refuse(TenantAlreadyExists("it is another's")),
        "service_refused",
        "409 tenant_already_exists: it is another's",
    ),
    "401": (refuse(InvalidApiKey), "service_refused", "401 invalid_api_key"),
    "500": (fail(500, "the disk is full"), "service_failed", "500 internal_error: the disk is full"),
    "503": (fail(503, "be back soon"), "service_failed", "503"),
    "garbage": (garbage(), "service_answer_invalid", "the answer is text/html, not application/json"),
    "wrong shape": (
        garbage(b'{"status": "done"}', content_type="application/json"),
        "service_answer_invalid",
        "status",
    ),
    "nothing": (silent, "service_timeout", "answer"),
    "half an answer": (dropped, "service_answer_invalid", "answer"),
    "an answer without end": (dripping(), "service_timeout", "answer"),
    "a lie: no such tenant": (lying(), "service_lied", "its status says 404 tenant_not_found"),
    "a lie: deactivated": (lying(TenantState.DEACTIVATED), "service_lied", "its status says deactivated"),
}


@pytest.fixture
def patience() -> float:
    """Short, for services that say nothing."""
    return 4


@pytest.mark.parametrize("fault", FAULTS)
class TestActivateAnswers:
    async def test_the_tenant_fails_for_what_the_service_said_and_the_retry_works_once_it_behaves(
        self, scene: Any, fault: str
    ) -> None:
        behaviour, code, said = FAULTS[fault]
        scene.service.behave(behaviour, on="activate")
        started = await scene.subscribe()
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert (operation["state"], operation["error"]["code"]) == ("failed", code)
        assert operation["attempt"] == (1 if code == "service_refused" else 2)  # docs/reference/errors.md says so
        assert said in operation["error"]["message"]
        tenant = await scene.tenant()
        assert (tenant["state"], tenant["failure_reason"]) == ("failed", operation["error"]["message"])
        assert scene.service.api_key not in str(operation) + str(tenant)

        scene.service.behave(rightly, on="activate")
        retried = await scene.do("provision")
        assert retried["state"] == "succeeded", retried
        tenant = await scene.tenant()
        assert (tenant["state"], tenant["failure_reason"], tenant["may_be_orphaned"]) == ("active", None, False)


class TestTryingAgain:
    async def test_a_service_that_is_away_for_a_moment_is_asked_again(self, scene: Any) -> None:
        scene.service.behave(flaky(1), on="activate")
        started = await scene.subscribe()
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert (operation["state"], operation["attempt"], operation["error"]) == ("succeeded", 2, None)

    async def test_every_attempt_bears_the_same_idempotency_key(self, scene: Any) -> None:
        scene.service.behave(flaky(1, fail(500)), on="activate")
        started = await scene.subscribe()
        await scene.operation(started["meta"]["operation"]["id"])
        keys = {call.headers["idempotency-key"] for call in scene.service.calls if call.operation == "activate"}
        assert keys == {started["meta"]["operation"]["id"]}

    async def test_every_call_bears_the_operations_id_for_the_services_log(self, scene: Any) -> None:
        started = await scene.subscribe()
        await scene.operation(started["meta"]["operation"]["id"])
        asked = [call for call in scene.service.calls if call.tenant_id == scene.school]
        assert {call.headers["x-request-id"] for call in asked} == {started["meta"]["operation"]["id"]}

    async def test_a_refusal_that_can_pass_is_tried_again(self, scene: Any) -> None:
        scene.service.behave(flaky(1, refuse(OperationInProgress)), on="activate")
        started = await scene.subscribe()
        assert (await scene.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"

    async def test_after_silence_the_service_is_asked_for_the_tenant_before_it_is_asked_again(self, scene: Any) -> None:
        """A service that did its work and lost its answer is not asked to do it twice in the dark."""

        async def works_and_says_nothing(call: Any) -> None:
            async def swallow(_: Any) -> None:
                """Drop the answer."""

            await call.service.right(call.scope, call.receive, swallow)
            await silent(call)

        scene.service.behave(flaky(1, works_and_says_nothing), on="activate")
        started = await scene.subscribe()
        assert (await scene.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"
        asked = [call.operation for call in scene.service.calls if call.tenant_id == scene.school]
        assert asked == ["activate", "status", "activate", "status"]

    async def test_what_our_own_lost_attempt_made_is_adopted_from_a_service_that_is_not_idempotent(
        self, scene: Any
    ) -> None:
        async def works_and_says_nothing(call: Any) -> None:
            async def swallow(_: Any) -> None:
                """Drop the answer."""

            await call.service.right(call.scope, call.receive, swallow)
            scene.service.behave(refuse(TenantAlreadyExists), on="activate")
            await silent(call)

        scene.service.behave(works_and_says_nothing, on="activate")
        started = await scene.subscribe()
        assert (await scene.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"
        assert (await scene.tenant())["access_url"] == f"{scene.url}/app/hallym_univ"


class TestGivingUp:
    async def test_what_a_lost_attempt_may_have_made_is_closed_again(self, scene: Any) -> None:
        scene.service.behave(lying(TenantState.SUSPENDED), on="activate")
        started = await scene.subscribe()
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert {step["name"]: step["state"] for step in operation["steps"]}["activate"] == "undone"
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED
        assert (await scene.tenant())["may_be_orphaned"] is False

    async def test_what_can_not_be_closed_is_listed_as_a_possible_orphan(self, scene: Any) -> None:
        scene.service.behave(fail(500))
        started = await scene.subscribe()
        await scene.operation(started["meta"]["operation"]["id"])
        listed = await scene.get("/tenants?may_be_orphaned=true")
        assert [tenant["tenant_id"] for tenant in listed] == ["hallym_univ"]

    async def test_a_tenant_that_the_service_refused_is_not_touched_there(self, scene: Any) -> None:
        scene.service.behave(refuse(TenantAlreadyExists), on="activate")
        started = await scene.subscribe()
        await scene.operation(started["meta"]["operation"]["id"])
        assert scene.service.count("deactivate") == 0

    async def test_an_unhealthy_service_does_not_get_an_active_tenant(self, scene: Any) -> None:
        scene.service.behave(fail(500, "no database"), on="health")
        started = await scene.subscribe()
        operation = await scene.operation(started["meta"]["operation"]["id"])
        assert "no database" in operation["error"]["message"]
        assert scene.service.tenants["hallym_univ"].state is TenantState.DEACTIVATED

    async def test_a_deactivation_that_does_not_work_leaves_the_tenant_deactivating_and_can_be_asked_for_again(
        self, active: Any
    ) -> None:
        active.service.behave(fail(500, "not now"), on="deactivate")
        operation = await active.do("deactivate")
        assert operation["state"] == "failed"
        tenant = await active.tenant()
        assert tenant["state"] == "deactivating"
        assert "not now" in tenant["failure_reason"]
        active.service.behave(rightly, on="deactivate")
        assert (await active.do("deactivate"))["state"] == "succeeded"
        assert (await active.tenant())["state"] == "deactivated"

    async def test_a_receipt_for_another_tenant_is_none(self, active: Any) -> None:
        await active.do("deactivate")
        receipt = b'{"tenant_id": "other_univ", "purged_at": "2026-01-03T12:00:00Z"}'
        active.service.behave(garbage(receipt, content_type="application/json"), on="purge")
        operation = await active.do("purge")
        assert operation["error"]["message"].endswith("it is about other_univ, not about hallym_univ")
        assert (await active.tenant())["state"] == "purging"


class TestOneAtATime:
    async def test_a_person_who_asks_while_an_operation_runs_is_told_which(self, active: Any) -> None:
        gate = asyncio.Event()
        active.service.behave(slow(gate), on="deactivate")
        first = await active.operator.post("/tenants/hallym_univ/deactivate", json={})
        second = await active.operator.post("/tenants/hallym_univ/deactivate", json={})
        assert (second.status_code, second.json()["error"]) == (409, "operation_in_progress")
        assert second.json()["details"]["operation_id"] == first.json()["data"]["id"]
        gate.set()
        assert (await active.operation(first.json()["data"]["id"]))["state"] == "succeeded"

    async def test_asking_twice_for_provisioning_gives_the_same_operation(self, scene: Any) -> None:
        started = await scene.subscribe()
        asked = await scene.operator.post("/tenants/hallym_univ/provision")
        assert asked.json()["data"]["id"] == started["meta"]["operation"]["id"]
