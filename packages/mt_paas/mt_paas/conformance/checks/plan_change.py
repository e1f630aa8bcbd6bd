"""A change of plan, and a suspension: the tenant goes on with its data."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks._links import follow_link, link_in
from mt_paas.conformance.checks._people import all_users, new_user
from mt_paas.conformance.registry import SHOULD, check, endpoint
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import TenantStateResponse

__all__: list[str] = []

_PLAN = [endpoint("plan_change")]
_SUSPEND = [endpoint("suspend", "resume")]
_CHANGED = "`POST …/plan {plan, features, config}` → 200 or 202"
_REFUSED = "422 `plan_change_not_allowed`"
_SUSPENDED = "`POST …/suspend {reason}`, `POST …/resume`: blocked for users, data untouched"


@check("plan_change.change", needs=_PLAN, rule=_CHANGED)
async def a_tenant_changes_its_plan(t: Trial) -> None:
    """After a change the tenant is on the new plan, with its data."""
    others = t.run.tenants.plans[1:]
    if not others:
        t.skip("the manifest lists no second plan")
    tenant = await t.tenant()
    before = await t.state(tenant)
    user = await new_user(t, tenant) if t.target.declares("users") else None
    for plan in others:
        body = {"plan": plan, "features": list(t.target.features.get(plan, ())), "config": {"max_users": 60}}
        answer = await t.call("POST", "plan_change", tenant, json=body)
        if answer.status == 422:
            answer.refuse(422, "plan_change_not_allowed")
            continue
        told = answer.expect(200).object().get("plan", plan)
        answer.require(told == plan, f"it names the plan {told!r}, expected {plan!r}")
        after = await t.state(tenant)
        t.require(after.get("plan") == plan, f"the plan is {after.get('plan')!r} after a change to {plan!r}")
        t.require(after.get("status") == "active", f"the tenant is {after.get('status')!r} after a change of plan")
        t.require(after.get("created_at") == before.get("created_at"), "created_at changed with the plan")
        if user is not None:
            there = {each.get("id") for each in await all_users(t, tenant)}
            t.require(user["id"] in there, "a user is gone after a change of plan")
        return
    t.skip("the service allows no change from the first plan of its manifest")


@check("plan_change.config", level=SHOULD, needs=[*_PLAN, endpoint("users")], rule=_CHANGED)
async def limits_change_with_the_plan(t: Trial) -> None:
    """A tenant that is full has room for more users once a change gives it more."""
    plan, allowed = t.run.tenants.plans[-1], 2
    tenant = await t.tenant(config={"max_users": allowed})
    for _ in range(allowed - len(await all_users(t, tenant))):
        await new_user(t, tenant)
    config = {"plan": plan, "features": list(t.target.features.get(plan, ())), "config": {"max_users": 60}}
    answer = await t.call("POST", "plan_change", tenant, json=config)
    if answer.status == 422:
        t.skip("the service does not allow this change")
    answer.expect(200)
    await new_user(t, tenant)


@check(
    "plan_change.unknown_plan", needs=_PLAN, rule=f"{_REFUSED}; a plan the service does not have: 422 `invalid_plan`"
)
async def a_change_to_no_plan_is_refused(t: Trial) -> None:
    """A change to a plan that the service does not have is refused, and the tenant stays on its plan."""
    if not t.target.plans:
        t.skip("the manifest lists no plans")
    async with t.lent() as tenant:
        body = {"plan": "no-such-plan", "features": [], "config": {}}
        answer = await t.call("POST", "plan_change", tenant, json=body)
        answer.refuse(422, ("plan_change_not_allowed", "invalid_plan"))
        state = await t.state(tenant)
        t.require(state.get("plan") == tenant.body["plan"], f"the plan is {state.get('plan')!r} after a refused change")


@check("plan_change.invalid_body", needs=_PLAN, rule="A body that is not valid: 422 `invalid_body`")
async def a_change_that_is_not_valid_is_refused(t: Trial) -> None:
    """A change without a plan, or of the wrong type, is refused."""
    async with t.lent() as tenant:
        bodies: tuple[Any, ...] = ({}, {"plan": 7}, {"plan": None}, [], {"plan": tenant.body["plan"], "config": "none"})
        for body in bodies:
            (await t.call("POST", "plan_change", tenant, json=body)).refuse(422, "invalid_body")


async def _in_state(t: Trial, tenant: Tenant, wanted: str) -> None:
    state = await t.state(tenant)
    t.require(state.get("status") == wanted, f"the tenant is {state.get('status')!r}, expected {wanted!r}")


@check("suspend.suspend", needs=_SUSPEND, rule=_SUSPENDED)
async def a_tenant_is_suspended_and_resumed(t: Trial) -> None:
    """A suspended tenant is shown as suspended, and as active after it resumed, with its data."""
    async with t.lent() as tenant:
        before = await t.state(tenant)
        user = await new_user(t, tenant) if t.target.declares("users") else None
        reason = {"reason": "payment_overdue"}
        suspended = (await t.call("POST", "suspend", tenant, json=reason)).expect(200)
        suspended.model(TenantStateResponse, tenant_id=tenant.id, status="suspended")
        await _in_state(t, tenant, "suspended")
        again = await t.call("POST", "suspend", tenant, json=reason)
        again.require(again.status in {200, 409}, "expected 200, or 409")
        await _in_state(t, tenant, "suspended")
        (await t.call("POST", "resume", tenant)).expect(200).model(
            TenantStateResponse, tenant_id=tenant.id, status="active"
        )
        again = await t.call("POST", "resume", tenant)
        again.require(again.status in {200, 409}, "expected 200, or 409")
        await _in_state(t, tenant, "active")
        after = await t.state(tenant)
        changed = [name for name in ("created_at", "plan") if after.get(name) != before.get(name)]
        t.require(not changed, f"{', '.join(changed)} changed by a suspension")
        if user is not None:
            there = {each.get("id") for each in await all_users(t, tenant)}
            t.require(user["id"] in there, "a user is gone after a suspension")


@check("suspend.blocks_users", needs=[*_SUSPEND, endpoint("sso")], rule=_SUSPENDED)
async def a_suspended_tenant_lets_nobody_in(t: Trial) -> None:
    """Nobody gets into a suspended tenant by a link for single sign-on."""
    tenant = await t.tenant()
    body = {"user": {"email": "kim@mtpaas-test.example", "name": "Kim", "role": "member"}, "return_to": "/"}
    before = link_in((await t.call("POST", "sso", tenant, json=body)).expect(200).object())
    (await t.call("POST", "suspend", tenant, json={"reason": "policy"})).expect(200)
    if before is not None:
        entered = await follow_link(t, before)
        shut = entered.status >= 400 or (300 <= entered.status < 400 and "set-cookie" not in entered.headers)
        entered.require(shut, "a user got into a suspended tenant by a link from before")
    answer = await t.call("POST", "sso", tenant, json=body)
    if answer.status == 200:
        entered = await follow_link(t, link_in(answer.object()) or answer.fail("there is no link"))
        entered.require(entered.status >= 400, "a user got into a suspended tenant")
    else:
        answer.refused()


@check("suspend.stays", level=SHOULD, needs=_SUSPEND, rule=_SUSPENDED)
async def an_activation_does_not_resume(t: Trial) -> None:
    """The activation of a suspended tenant, made again, does not resume it."""
    async with t.lent() as tenant:
        (await t.call("POST", "suspend", tenant, json={"reason": "payment_overdue"})).expect(200)
        answer = await t.activate(tenant)
        answer.require(answer.status in {200, 409}, "expected 200, or 409")
        await _in_state(t, tenant, "suspended")
        (await t.call("POST", "resume", tenant)).expect(200)


@check("suspend.deactivated", needs=_SUSPEND, rule="A deactivated tenant … is *re*activated by an activation")
async def a_resume_does_not_reactivate(t: Trial) -> None:
    """A deactivated tenant is not opened by a call that ends a suspension."""
    async with t.lent() as tenant:
        (await t.deactivate(tenant)).expect(200)
        answer = await t.call("POST", "resume", tenant)
        answer.require(answer.status == 200 or 400 <= answer.status < 500, "expected a refusal (4xx)")
        await _in_state(t, tenant, "deactivated")
        (await t.activate(tenant)).expect(200)


@check("suspend.invalid_body", needs=_SUSPEND, rule="A body that is not valid: 422 `invalid_body`")
async def a_suspension_that_is_not_valid_is_refused(t: Trial) -> None:
    """A suspension whose reason is no text is refused, and the tenant goes on."""
    async with t.lent() as tenant:
        bodies: tuple[Any, ...] = ({"reason": 7}, {"reason": ["late"]}, [])
        for body in bodies:
            (await t.call("POST", "suspend", tenant, json=body)).refuse(422, "invalid_body")
        await _in_state(t, tenant, "active")
