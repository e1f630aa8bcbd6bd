"""Operations that take long: a 202, a place to ask, and an end to every one of them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.expect import Answer
from mt_paas.conformance.registry import capability, check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import Operation, OperationAccepted

__all__: list[str] = []

_NEEDS = [capability("async_operations"), endpoint("operation")]
_ACCEPTED = "activate and deactivate may answer **202** `{operation_id, status: in_progress, retry_after}`"
_ENDS = "`GET /mt/operations/{operation_id}` → `in_progress|succeeded|failed` + result or error"


async def _begun(t: Trial) -> tuple[str, dict[str, Any], Answer]:
    """Ask for an activation and return its tenant id, its body and the 202; skip when the service was done at once."""
    await t.shared()
    tenant_id = t.new_id()
    body = t.body(tenant_id)
    answer = (await t.activate(tenant_id, body, follow=False)).expect(200, 202)
    if answer.status == 200:
        t.skip("the service activates at once")
    answer.model(OperationAccepted)
    return tenant_id, body, answer


async def _asked(t: Trial, operation_id: str) -> tuple[Answer, Operation]:
    answer = (await t.call("GET", "operation", operation_id=operation_id)).expect(200)
    return answer, answer.model(Operation, operation_id=operation_id)


@check("async_operations.declared", needs=[capability("async_operations")], rule=_ENDS)
async def the_place_to_ask_is_declared(t: Trial) -> None:
    """Who answers later declares where to ask (endpoints.operation)."""
    t.require(t.target.declares("operation"), "async_operations is declared, and endpoints.operation is not")


@check("async_operations.activate", needs=_NEEDS, rule=f"{_ACCEPTED}; {_ENDS}")
async def an_activation_ends(t: Trial) -> None:
    """An activation that is answered with 202 ends, with what it would have answered at once."""
    tenant_id, _, accepted = await _begun(t)
    operation_id = accepted.object()["operation_id"]
    await _asked(t, operation_id)
    judge_activation(await t.ended(accepted), tenant_id)
    first, second = (await _asked(t, operation_id))[0], (await _asked(t, operation_id))[0]
    first.require(
        first.object() == second.object(), "an operation that has ended answers something else when asked again"
    )
    state = await t.state(tenant_id)
    t.require(state.get("status") == "active", f"the activation has ended and the tenant is {state.get('status')!r}")


@check(
    "async_operations.again",
    needs=_NEEDS,
    rule="**Activate is idempotent.** The same request again answers 200 with the same result",
)
async def the_same_activation_is_the_same_operation(t: Trial) -> None:
    """The same activation while it is under way begins no second one."""
    tenant_id, body, accepted = await _begun(t)
    again = await t.activate(tenant_id, body, follow=False)
    if again.status == 202:
        first, second = accepted.object()["operation_id"], again.object().get("operation_id")
        again.require(first == second, f"a second operation {second} began beside {first}")
    elif again.status != 200:
        again.refuse(409, "operation_in_progress")
    judge_activation(await t.ended(accepted), tenant_id)


@check("async_operations.deactivate", needs=_NEEDS, rule=f"{_ACCEPTED}; {_ENDS}")
async def a_deactivation_ends(t: Trial) -> None:
    """A deactivation that is answered with 202 ends, and the tenant is deactivated then."""
    tenant = await t.tenant()
    answer = (await t.deactivate(tenant)).expect(200)
    answer.require(answer.object().get("status") == "deactivated", "it does not end as deactivated")
    state = await t.state(tenant)
    t.require(state.get("status") == "deactivated", f"the tenant is {state.get('status')!r} afterwards")


@check("async_operations.unknown", needs=_NEEDS, rule=_ENDS)
async def an_unknown_operation_is_not_found(t: Trial) -> None:
    """An operation that the service never began is not found."""
    for operation_id in (uuid4().hex, f"op_{uuid4().hex}"):
        (await t.call("GET", "operation", operation_id=operation_id)).refuse((404, 422))


@check(
    "async_operations.cancel",
    needs=_NEEDS,
    rule="Errors leave nothing behind; an operation ends as `succeeded` or `failed`",
)
async def a_cancelled_activation_leaves_nothing(t: Trial) -> None:
    """An activation that is cancelled ends as failed, and leaves nothing of the tenant."""
    tenant_id, body, accepted = await _begun(t)
    operation_id = accepted.object()["operation_id"]
    answer = await t.call("DELETE", "operation", operation_id=operation_id, tolerate=(501,), follow=False)
    if answer.status in {404, 405, 501}:
        await t.ended(accepted)
        t.skip("the service does not cancel operations")
    if answer.status == 409:
        judge_activation(await t.ended(accepted), tenant_id)
        return
    answer.expect(200, 202, 204)
    has_ended = answer.status == 200 and answer.object().get("status") == "failed"
    await t.ended(accepted)
    ended, operation = await _asked(t, operation_id)
    ended.require(operation.status == "failed" or not has_ended, f"it had failed, and is {operation.status} now")
    if operation.status == "succeeded":
        t.require((await t.state(tenant_id)).get("status") == "active", "it has succeeded and the tenant is not active")
        return
    ended.require(operation.error is not None and operation.error.error == "cancelled", "its error is not `cancelled`")
    (await t.status(tenant_id)).refuse(404, "tenant_not_found")
    judge_activation(await t.activate(tenant_id, body), tenant_id)


@check(
    "async_operations.at_once",
    needs=_NEEDS,
    rule="two lifecycle calls for one tenant at once: one works, the other answers 409 `operation_in_progress`",
)
async def a_deactivation_meets_an_activation(t: Trial) -> None:
    """A deactivation while the activation is under way is refused or waits; afterwards the tenant is one of the two."""
    tenant_id, _, accepted = await _begun(t)
    body = {"reason": "admin_request", "preserve_data": True}
    answers = await asyncio.gather(
        t.call("POST", "tenant_deactivate", tenant_id, json=body), t.ended(accepted), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    met = answers[0]
    assert isinstance(met, Answer)  # noqa: S101 - what is no exception is an answer
    if met.status != 200:
        met.refuse((404, 409), ("tenant_not_found", "operation_in_progress"))
    status = await t.status(tenant_id)
    if status.status == 200:
        wanted = "deactivated" if met.status == 200 else "active"
        told = status.object().get("status")
        status.require(told == wanted, f"the tenant is {told!r}, expected {wanted!r}")
    else:
        status.refuse(404, "tenant_not_found")
