"""Deactivation at a time: until then the tenant works, and then it does not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mt_paas.conformance.checks._people import all_users, new_user
from mt_paas.conformance.checks._stories import refusals, returns, untouched_before, written
from mt_paas.conformance.checks.lifecycle import judge_deactivation
from mt_paas.conformance.registry import Phase, check, endpoint
from mt_paas.conformance.story import Story
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import DeactivateResponse, StatusResponse

__all__: list[str] = []

_SCHEDULED = "may be scheduled: a `deactivate_at` in the future answers `scheduled`; until then the tenant works"
_UTC = "times are RFC 3339 in UTC"
_SOON = timedelta(seconds=1.2)
_PATIENCE = 4.0  # seconds after which what was due must have been done


@check("scheduling.comes_due", rule=_SCHEDULED, phase=Phase.EARLY)
async def comes_due(t: Trial) -> None:
    """A scheduled deactivation leaves the tenant active until its time, and deactivates it then."""
    tenant = await t.tenant()
    user = await new_user(t, tenant) if t.target.declares("users") else None
    at = t.now() + _SOON
    answer = await t.deactivate(tenant, deactivate_at=written(at))
    judge_deactivation(t, answer, data_preserved=True, status="scheduled")
    deadline = answer.model(DeactivateResponse, tenant_id=tenant.id).reactivation_deadline
    answer.require(
        deadline is None or deadline >= at - timedelta(seconds=1),
        f"`reactivation_deadline` is before `deactivate_at` ({written(at)})",
    )
    status = (await t.status(tenant)).expect(200)
    if t.now() < at:
        status.model(StatusResponse, status="active")
    await asyncio.sleep(max((at - t.now()).total_seconds(), 0) + 0.02)
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + _PATIENCE, 0.05
    while True:
        status = (await t.status(tenant)).expect(200)
        if status.object().get("status") == "deactivated":
            break
        if loop.time() > until:
            status.fail(f"the tenant is not `deactivated` {_PATIENCE:g} s after its time")
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.4)
    if user is not None:
        (await t.activate(tenant)).expect(200)
        there = {each.get("id") for each in await all_users(t, tenant)}
        t.require(user["id"] in there, "a user is gone after a scheduled deactivation with preserve_data: true")


@check("scheduling.past", rule=_SCHEDULED)
async def in_the_past(t: Trial) -> None:
    """A `deactivate_at` in the past deactivates at once."""
    story = await t.story(returns)
    story.after("activated", "identifiers.shortest")
    judge_deactivation(t, story["past"], data_preserved=True)
    story["status_past"].expect(200).model(StatusResponse, status="deactivated")


@check("scheduling.offset_ahead", rule=_UTC)
async def offset_ahead(t: Trial) -> None:
    """A time in the past that is written with +09:00 is in the past."""
    story = await t.story(returns)
    story.after("back", "lifecycle.reactivate")
    answer = story["ahead"]
    if answer.status == 422:
        answer.refuse(422)
        return
    judge_deactivation(t, answer, data_preserved=True)
    story["status_ahead"].expect(200).model(StatusResponse, status="deactivated")


@check("scheduling.offset_behind", rule=_UTC)
async def offset_behind(t: Trial) -> None:
    """A time in the future that is written with -12:00 is in the future."""
    story = await t.story(refusals)
    untouched_before(story, "behind")
    answer = story["behind"]
    if answer.status == 422:
        answer.refuse(422)
        return
    judge_deactivation(t, answer, data_preserved=True, status="scheduled")
    story["status_later"].expect(200).model(StatusResponse, status="active")


@check("scheduling.no_zone", rule=f"{_UTC}; a body that is not valid: 422 `invalid_body`")
async def no_zone(t: Trial) -> None:
    """A time without a zone is refused."""
    story = await t.story(refusals)
    untouched_before(story, "status_no_zone")
    story["no_zone"].refuse(422, "invalid_body")
    story["status_no_zone"].expect(200).model(StatusResponse, status="active")


@check("scheduling.again", rule=f"Deactivate is idempotent, and {_SCHEDULED}")
async def again(t: Trial) -> None:
    """The same scheduled deactivation again is scheduled as before, and the tenant still works."""
    story = await _scheduled(t)
    judge_deactivation(t, story["scheduled_again"], data_preserved=True, status="scheduled")
    story["status_scheduled_again"].expect(200).model(StatusResponse, status="active")


@check("scheduling.works", rule=_SCHEDULED, needs=[endpoint("users")])
async def works_until_then(t: Trial) -> None:
    """A tenant whose deactivation is scheduled takes users until then."""
    (await _scheduled(t))["user_later"].expect(201)


async def _scheduled(t: Trial) -> Story:
    story = await t.story(refusals)
    untouched_before(story, "behind")
    scheduled = story["later"] if "later" in story.steps else story["behind"]
    if scheduled.expect(200).object().get("status") != "scheduled":
        t.skip("the deactivation was not scheduled: see scheduling.offset_behind")
    return story


@check("scheduling.now_after_all", rule="Deactivate is idempotent, and may be scheduled")
async def now_after_all(t: Trial) -> None:
    """A tenant whose deactivation is scheduled can be deactivated at once."""
    story = await _scheduled(t)
    judge_deactivation(t, story["now"], data_preserved=True)
    story["status_now"].expect(200).model(StatusResponse, status="deactivated")
