"""Several tenants, and several calls at once: none is another's, and of two lifecycle calls one works."""

from __future__ import annotations

import asyncio

from mt_paas.conformance.checks._stories import alike, at_once, life, until_free
from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.registry import check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import StatusResponse

__all__: list[str] = []

_APART = "answers name the tenant that was asked for: `{tenant_id, status, plan, …}`"
_AT_ONCE = (
    "two lifecycle calls for one tenant at once: one works, the other answers 409 `operation_in_progress`, and leaves"
    " nothing behind"
)
_BUSY = "operation_in_progress"


@check("isolation.status", rule=_APART)
async def status_is_of_the_tenant_asked_for(t: Trial) -> None:
    """Answers to calls about two tenants at once are each about the tenant that was asked for."""
    one, other = await t.shared("a"), await t.shared("b")
    names = [name for name in ("tenant_status", "usage_report") if t.target.declares(name)]
    asked = [(tenant, name) for _ in range(4) for tenant in (one, other) for name in names]
    answers = await asyncio.gather(*[t.call("GET", name, tenant, tolerate=(501,)) for tenant, name in asked])
    for (tenant, name), answer in zip(asked, answers, strict=True):
        if name == "usage_report" and answer.status != 200:
            continue
        told = answer.expect(200).object().get("tenant_id")
        answer.require(told == tenant.id, f"it is about {told!r}, and {tenant.id!r} was asked for")


@check("isolation.deactivate", rule=_APART)
async def others_stay(t: Trial) -> None:
    """A tenant stays as it is when another one is deactivated, reactivated and erased."""
    tenant = await t.shared("b")
    before = await t.state(tenant)
    await t.story(life)
    after = await t.state(tenant)
    t.require(after.get("status") == "active", f"it is {after.get('status')!r}")
    for name in ("plan", "created_at"):
        t.require(after.get(name) == before.get(name), f"`{name}` was {before.get(name)!r}, is {after.get(name)!r}")


@check("isolation.alike", rule=f"{_APART}; a `tenant_id` becomes a database name, a host label and a container name")
async def ids_that_are_nearly_the_same(t: Trial) -> None:
    """Tenants whose ids differ by a dash for an underscore, or by their 63rd character, are different ones."""
    story = await t.story(alike)
    for name in ("first", "longer", "underscored"):
        judge_activation(story[f"activated {name}"], story[f"activated {name}"].expect(200).object()["tenant_id"])
    story.after("deactivated", "lifecycle.erase")
    for name in ("longer", "underscored"):
        tenant_id = story[f"activated {name}"].object()["tenant_id"]
        story[f"status {name}"].expect(200).model(StatusResponse, tenant_id=tenant_id, status="active")


@check("isolation.alike_users", rule=_APART, needs=[endpoint("users")])
async def users_of_ids_that_are_nearly_the_same(t: Trial) -> None:
    """Users of tenants whose ids are nearly the same are each tenant's own, and stay when another one is erased."""
    story = await t.story(alike)
    story.after("deactivated", "isolation.alike")
    for name in ("longer", "underscored"):
        own = story.after(f"user {name}", "users.create").object().get("email")
        page = story[f"users {name}"].expect(200)
        listed = [item.get("email") for item in page.object().get("items") or () if isinstance(item, dict)]
        page.require(own in listed, "its user is gone, after another tenant was erased")
        strangers = [each for each in listed if str(each).endswith("@mtpaas-test.example") and each != own]
        page.require(not strangers, f"{strangers[:1]} is a user of another tenant")


@check("isolation.path", rule=_APART)
async def the_path_names_the_tenant(t: Trial) -> None:
    """A deactivation whose body names another tenant than its path leaves that one alone."""
    story = await t.story(alike)
    if "of_another" not in story.steps:
        t.skip("the address of tenant_deactivate does not name the tenant")
    story.after("activated longer", "isolation.alike")
    if story["of_another"].status != 200:
        story["of_another"].refuse(422)
    story["status of_another"].expect(200).model(StatusResponse, status="active")


@check("concurrency.equal", rule=_AT_ONCE)
async def equal_activations(t: Trial) -> None:
    """Equal activations at once make one tenant: each is done, or told that another is under way."""
    story = await t.story(at_once)
    done = []
    for name in ("first", "second", "third"):
        answer = story[name]
        if answer.status == 409:
            answer.refuse(409, _BUSY)
        else:
            done.append(answer.expect(200))
    done.append(story["in_the_end"].expect(200))
    for answer in done:
        judge_activation(answer, done[0].object().get("tenant_id", ""))
        answer.require(
            answer.object().get("access_url") == done[0].object().get("access_url"), "equal calls have two results"
        )
    status = story["status"].expect(200)
    status.require(status.object().get("status") == "active", "the tenant is not active afterwards")


@check("concurrency.deactivate", rule=_AT_ONCE)
async def equal_deactivations(t: Trial) -> None:
    """Deactivations at once deactivate: each is done, or told that another is under way."""
    story = await t.story(at_once)
    story.after("in_the_end", "concurrency.equal")
    answers = [story["deactivated"], story["deactivated_too"]]
    for answer in answers:
        if answer.status == 409:
            answer.refuse(409, _BUSY)
        else:
            answer.expect(200)
    answers[0].require(any(answer.status == 200 for answer in answers), "none of two deactivations at once works")
    status = story["status_deactivated"].expect(200)
    status.require(status.object().get("status") == "deactivated", "the tenant is not deactivated afterwards")


@check("concurrency.different", rule=_AT_ONCE)
async def different_activations(t: Trial) -> None:
    """Of two different activations at once one wins, the other is refused, and the tenant is the winner's."""
    await t.shared()
    tenant_id, plans = t.new_id(), t.run.tenants.plans
    body = t.body(tenant_id)
    bodies = [body, body | {"tenant_name": "다른 이름", "plan": plans[-1]}]
    answers = await asyncio.gather(*[t.activate(tenant_id, each) for each in bodies])
    for answer in answers:
        if answer.status == 409:
            answer.refuse(409, (_BUSY, "tenant_already_exists"))
        else:
            answer.expect(200)
    won = [index for index, answer in enumerate(answers) if answer.status == 200]
    if len(won) != 1:
        answers[-1].fail(f"{len(won)} of two different activations at once were done")
    again = await until_free(t, tenant_id, bodies[won[0]])
    judge_activation(again, tenant_id)
    told = await t.state(tenant_id)
    t.require(
        told.get("plan") == bodies[won[0]]["plan"], f"the tenant is on the plan {told.get('plan')!r} of the loser"
    )
    (await t.activate(tenant_id, bodies[1 - won[0]])).refuse(409, "tenant_already_exists")
