"""What is answered later: the raw answer, and waiting for a service that is slow, forgetful, broken or lying."""

from __future__ import annotations

import pytest
from mt_paas.errors import (
    OperationLost,
    ServiceAnswerInvalid,
    ServiceFailed,
    ServiceRefused,
    ServiceTimeout,
    TenantAlreadyExists,
)
from mt_paas.standard_api import Timeouts
from mt_paas.standard_api.client import outcome
from mt_paas.standard_api.models import (
    ActivateResponse,
    DeletionReceipt,
    Operation,
    OperationAccepted,
    OperationStatus,
    PlanChangeRequest,
    PlanChangeResponse,
)
from mt_paas.testing.doubles import answer_with, garbage, refuse

T = "hallym_univ"
WHEN = "2026-01-03T12:00:00Z"
ACTIVATED = {"status": "activated", "tenant_id": T, "access_url": "https://notes.example/hallym"}
RECEIPT = {"receipt_id": "r_1", "tenant_id": T, "purged_at": WHEN}


def accepted(retry_after: float = 0) -> dict:
    return {"operation_id": "op_1", "status": "in_progress", "retry_after": retry_after}


def succeeded(result: dict, **changes: object) -> dict:
    return {"operation_id": "op_1", "status": "succeeded", "result": result} | changes


def failed(error: str, message: str = "no") -> dict:
    return {"operation_id": "op_1", "status": "failed", "error": {"error": error, "message": message}}


class TestTheRawAnswer:
    async def test_a_call_that_was_begun_is_told_as_such(self, scripted, says, activation, deactivation):
        client, script = scripted(says(202, accepted(7)))
        async with client:
            for begun in (
                client.begin_activate(activation, idempotency_key="1"),
                client.begin_deactivate(T, deactivation, idempotency_key="2"),
                client.begin_change_plan(T, PlanChangeRequest(plan="premium"), idempotency_key="3"),
                client.begin_purge(T, idempotency_key="4"),
                client.begin_export(T, idempotency_key="5"),
            ):
                assert await begun == OperationAccepted(operation_id="op_1", retry_after=7)
        assert [request.headers["idempotency-key"] for request in script.asked] == list("12345")

    async def test_a_service_may_answer_at_once_all_the_same(self, scripted, says, activation):
        client, _ = scripted(says(200, ACTIVATED))
        async with client:
            assert isinstance(await client.begin_activate(activation, idempotency_key="1"), ActivateResponse)

    async def test_without_the_declaration_it_is_refused(self, scripted, says, activation):
        client, script = scripted(says(202, accepted()), manifest={"capabilities": []})
        async with client:
            for call in (client.activate(activation, idempotency_key="1"), client.purge(T)):
                with pytest.raises(ServiceAnswerInvalid, match="does not declare that it answers later"):
                    await call
            assert isinstance(await client.begin_export(T), OperationAccepted)  # an export is an operation always
        assert len(script.asked) == 3

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({"status": "in_progress", "retry_after": 0}, "operation_id: Field required"),
            (accepted() | {"operation_id": "../tenant/x"}, "operation_id: "),
            (accepted(-1), "retry_after: "),
            (accepted() | {"status": "succeeded"}, "status: "),
        ],
    )
    async def test_one_that_can_not_be_followed_is_refused(self, scripted, says, activation, body, fault):
        client, _ = scripted(says(202, body))
        async with client:
            with pytest.raises(ServiceAnswerInvalid, match=f"answered 202, but {fault}"):
                await client.begin_activate(activation, idempotency_key="1")

    async def test_an_operation_is_asked_for_and_undone_at_its_address(self, scripted, says):
        client, script = scripted(says(200, accepted(3)), says(200, failed("cancelled")))
        async with client:
            assert (await client.operation("op_1")).status is OperationStatus.IN_PROGRESS
            assert (await client.cancel_operation("op_1")).error.error == "cancelled"
        assert script.paths == ["GET /mt/operations/op_1", "DELETE /mt/operations/op_1"]

    async def test_a_manifest_need_not_name_the_contracts_own_path(self, scripted, says):
        client, script = scripted(says(200, accepted()))
        older = client._manifest.model_copy(
            update={"endpoints": client._manifest.endpoints.model_copy(update={"operation": None})}
        )
        client._manifest = older
        async with client:
            await client.operation("op_1")
        assert script.paths == ["GET /mt/operations/op_1"]

    async def test_an_answer_about_another_operation_is_refused(self, scripted, says):
        client, _ = scripted(says(200, accepted() | {"operation_id": "op_2"}))
        async with client:
            with pytest.raises(ServiceAnswerInvalid, match="operation_id: it is about op_2, not about op_1"):
                await client.operation("op_1")


@pytest.fixture
def waiting_for(scripted, says):
    """Return a maker of clients whose service begins what it is asked, and ends it so."""
    return lambda end: scripted(says(202, accepted()), says(200, end))[0]


class TestWaiting:
    async def test_the_result_is_the_answer_of_the_call(self, scripted, says, activation, pauses):
        client, script = scripted(
            says(202, accepted(2)), says(200, accepted(40)), says(200, accepted()), says(200, succeeded(ACTIVATED))
        )
        async with client:
            answer = await client.activate(activation, idempotency_key="1")
        assert answer == ActivateResponse(tenant_id=T, access_url="https://notes.example/hallym")
        assert pauses[0] >= 2
        assert pauses[1] >= 40
        assert len(pauses) == 3
        assert [request.method for request in script.asked] == ["POST", "GET", "GET", "GET"]

    async def test_each_call_reads_its_own_result(self, scripted, says, deactivation):
        closed = {"status": "deactivated", "tenant_id": T, "data_preserved": True}
        export = {"download_url": "https://notes.example/export", "format": "json"}
        for call, result in (
            (lambda c: c.deactivate(T, deactivation, idempotency_key="1"), closed),
            (lambda c: c.change_plan(T, PlanChangeRequest(plan="pro"), idempotency_key="1"), PLAN),
            (lambda c: c.purge(T), RECEIPT),
            (lambda c: c.export(T), export),
        ):
            client, _ = scripted(says(202, accepted()), says(200, succeeded(result)))
            async with client:
                read = await call(client)
            assert read.model_dump(mode="json").items() >= result.items()

    @pytest.mark.parametrize(
        ("result", "fault"),
        [
            ({}, "tenant_id: Field required; access_url: Field required"),
            (ACTIVATED | {"tenant_id": "other_univ"}, "tenant_id: it is about other_univ, not about hallym_univ"),
            (ACTIVATED | {"access_url": "javascript:alert(1)"}, "access_url: "),
        ],
    )
    async def test_a_result_is_believed_no_more_than_an_answer(self, scripted, says, activation, result, fault):
        client, _ = scripted(says(202, accepted()), says(200, succeeded(result)))
        async with client:
            with pytest.raises(ServiceAnswerInvalid) as refusal:
                await client.activate(activation, idempotency_key="1")
        assert f"Operation op_1 succeeded, but its result: {fault}" in str(refusal.value)

    @pytest.mark.parametrize(
        ("error", "family", "retryable"),
        [
            ("tenant_already_exists", ServiceRefused, False),
            ("operation_in_progress", ServiceRefused, True),
            ("service_not_ready", ServiceFailed, True),
            ("cancelled", ServiceFailed, False),
            ("disk_full", ServiceFailed, False),
        ],
    )
    async def test_a_failure_carries_the_services_word(self, waiting_for, activation, error, family, retryable):
        client = waiting_for(failed(error, "password=hunter2\x1b[31m, sorry"))
        async with client:
            with pytest.raises(family) as refusal:
                await client.activate(activation, idempotency_key="1")
        assert (type(refusal.value), refusal.value.error, refusal.value.retryable) == (family, error, retryable)
        assert str(refusal.value) == f"Operation op_1 failed with {error}: password=*** sorry"

    async def test_a_service_that_puts_the_key_into_a_failure_does_not_get_it_into_the_log(
        self, scripted, says, activation
    ):
        client, _ = scripted(says(202, accepted()), says(200, failed("x", "a-key-of-the-market-1 is bad")))
        async with client:
            with pytest.raises(ServiceFailed, match=r"failed with x: \*\*\* is bad"):
                await client.activate(activation, idempotency_key="1")

    async def test_a_password_in_a_result_is_read_and_not_shown(self, scripted, says, activation):
        result = ACTIVATED | {"admin_credentials": {"temp_password": "hunter2"}}
        client, _ = scripted(says(202, accepted()), says(200, succeeded(result)))
        async with client:
            answer = await client.activate(activation, idempotency_key="1")
            operation = await client.operation("op_1")
        assert answer.admin_credentials.temp_password == "hunter2"
        assert "hunter2" not in repr(answer) + answer.model_dump_json() + repr(operation)

    async def test_it_ends_by_its_deadline(self, scripted, says, activation, pauses):
        client, script = scripted(
            says(202, accepted()), says(200, accepted()), timeouts=Timeouts(operation=60), attempts=1
        )
        async with client:
            with pytest.raises(ServiceTimeout, match="Operation op_1 has not ended within 60 s") as late:
                await client.activate(activation, idempotency_key="1")
        assert late.value.sent
        assert sum(pauses) == pytest.approx(60)
        assert len(script.asked) > 3

    async def test_a_service_that_wants_to_be_left_alone_for_years_is_asked_at_the_deadline(
        self, scripted, says, activation, pauses
    ):
        client, script = scripted(says(202, accepted(1e9)), says(200, succeeded(ACTIVATED)))
        async with client:
            await client.activate(activation, idempotency_key="1")
        assert pauses == [600]
        assert len(script.asked) == 2

    async def test_pauses_grow_and_are_bounded(self, scripted, says, activation, pauses):
        client, _ = scripted(says(202, accepted()), says(200, accepted()), timeouts=Timeouts(operation=3000))
        async with client:
            with pytest.raises(ServiceTimeout):
                await client.activate(activation, idempotency_key="1")
        assert max(pauses) <= 30
        assert all(pause <= 0.25 * 2**poll for poll, pause in enumerate(pauses[:6], start=1))

    async def test_questions_that_find_no_answer_are_asked_again(self, scripted, says, activation):
        client, script = scripted(
            says(202, accepted()), says(500, {}), says(503), says(404), says(200, succeeded(ACTIVATED)), attempts=1
        )
        async with client:
            assert (await client.activate(activation, idempotency_key="1")).tenant_id == T
        assert len(script.asked) == 5

    async def test_at_the_deadline_the_last_trouble_is_told(self, scripted, says, activation):
        client, _ = scripted(
            says(202, accepted(30)), says(500, {"error": "x", "message": "broken"}), timeouts=Timeouts(operation=60)
        )
        async with client:
            with pytest.raises(ServiceTimeout, match=r"within 60 s; at last GET .*/mt/operations/op_1 answered 500 x"):
                await client.activate(activation, idempotency_key="1")

    async def test_an_operation_that_nobody_knows_is_lost(self, scripted, says, activation):
        unknown = says(404, {"error": "operation_not_found", "message": "none"})
        client, script = scripted(says(202, accepted()), unknown)
        async with client:
            with pytest.raises(OperationLost, match="whether it was done is not known") as lost:
                await client.activate(activation, idempotency_key="1")
        assert (lost.value.sent, lost.value.retryable, lost.value.status) == (True, True, 404)
        assert len(script.asked) == 4

    @pytest.mark.parametrize("status", [401, 422])
    async def test_a_refusal_to_tell_ends_the_wait(self, scripted, says, activation, status):
        client, script = scripted(says(202, accepted()), says(status))
        async with client:
            with pytest.raises(ServiceRefused, match=f"/mt/operations/op_1 answered {status}"):
                await client.activate(activation, idempotency_key="1")
        assert len(script.asked) == 2

    async def test_garbage_ends_the_wait(self, client, service, activation):
        service.behave(answer_with(202, accepted()), on="activate")
        service.behave(garbage())
        with pytest.raises(ServiceAnswerInvalid, match="the answer is text/html"):
            await client.activate(activation, idempotency_key="1")
        assert len(service.calls) == 4
        service.behave(refuse(TenantAlreadyExists), on="activate")
        with pytest.raises(ServiceRefused):
            await client.activate(activation, idempotency_key="1")


PLAN = {"tenant_id": T, "plan": "pro", "features": []}


class TestOutcome:
    def test_what_is_under_way_is_so(self):
        operation = Operation(operation_id="op_1", status=OperationStatus.IN_PROGRESS)
        assert outcome(operation, ActivateResponse) == OperationAccepted(operation_id="op_1", retry_after=0)

    def test_what_it_must_be_about_is_held_against_it(self):
        operation = Operation.model_validate_json(
            '{"operation_id": "op_1", "status": "succeeded", "result": {"tenant_id": "hallym_univ", "plan": "pro"}}'
        )
        assert outcome(operation, PlanChangeResponse, {"plan": "pro"}).plan == "pro"
        with pytest.raises(ServiceAnswerInvalid, match="plan: it is about pro, not about basic"):
            outcome(operation, PlanChangeResponse, {"tenant_id": T, "plan": "basic"})

    def test_a_result_of_another_call_is_none_of_this_one(self):
        operation = Operation(operation_id="op_1", status=OperationStatus.SUCCEEDED, result=ACTIVATED)
        with pytest.raises(ServiceAnswerInvalid, match="purged_at: Field required"):
            outcome(operation, DeletionReceipt)
