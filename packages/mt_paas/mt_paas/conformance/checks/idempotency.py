"""The same call again: what makes it safe to drive a service from a client that tries again."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from mt_paas.conformance.checks._stories import life, repeated, returns
from mt_paas.conformance.checks.lifecycle import judge_deactivation
from mt_paas.conformance.expect import Answer, time_of
from mt_paas.conformance.registry import SHOULD, capability, check
from mt_paas.conformance.story import Story
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_SAME = (
    "The same request again (same `Idempotency-Key`, or an equal body for an active tenant) answers 200 with the same"
    " result"
)
_CALLBACK = f"{_SAME}. Two bodies are equal when all but `callback` is: a call-back token is made anew for every call"
_OTHER = "A different body for an active tenant answers 409 `tenant_already_exists`"
_DEACTIVATE = "Deactivate is idempotent"
_MOVED = timedelta(seconds=60)
_ROUNDED = timedelta(seconds=2)


@check("idempotency.equal_body", rule=_SAME)
async def equal_body(t: Trial) -> None:
    """An equal body for an active tenant answers 200 with the same result."""
    async with t.lent() as tenant:  # nobody else's meanwhile: two calls at once may get in each other's way
        for headers in ({}, {"Idempotency-Key": t.unique()}):
            _judge_same(await t.activate(tenant, headers=headers), tenant.answer)


@check("idempotency.equal_document", rule=_SAME)
async def equal_document(t: Trial) -> None:
    """A body is equal whatever the order of its members and its white space."""
    async with t.lent() as tenant:
        turned = json.dumps(_turned(tenant.body), indent=3, ensure_ascii=True).encode()
        _judge_same(await t.call("POST", "tenant_activate", tenant, content=turned), tenant.answer)


@check("idempotency.callback", level=SHOULD, needs=[capability("events")], rule=_CALLBACK)
async def another_callback(t: Trial) -> None:
    """A body is equal whatever its `callback` is: a token to call back with is made anew for every call."""
    async with t.lent() as tenant:
        for headers in ({}, {"Idempotency-Key": t.unique()}):
            token, secret = t.unique("token-"), base64.b64encode(secrets.token_bytes(32)).decode()
            callback = {"events_url": "http://127.0.0.1:9/events", "token": token, "secret": f"whsec_{secret}"}
            answer = await t.activate(tenant, tenant.body | {"callback": callback}, headers=headers)
            _judge_same(answer, tenant.answer)


@check("idempotency.same_key", rule=_SAME)
async def same_key(t: Trial) -> None:
    """The same request with the same `Idempotency-Key` answers 200 with the same result."""
    story = await t.story(repeated)
    first = story.after("activated", "lifecycle.unknown_members")
    for name in ("same_key", "same_key_again"):
        _judge_same(story[name], first)


@check("idempotency.different_body", rule=_OTHER)
async def different_body(t: Trial) -> None:
    """A different body for an active tenant is refused, and changes nothing."""
    story = await t.story(repeated)
    story.after("activated", "lifecycle.unknown_members")
    before = story["status"].expect(200).object()
    for name in [name for name in story.steps if name.startswith("other ")]:
        story[name].refuse(409, "tenant_already_exists")
    _judge_unchanged(story["status_after"].expect(200), before)


@check("idempotency.key_other_body", rule=f"{_SAME}. {_OTHER}")
async def same_key_other_body(t: Trial) -> None:
    """Another body with a key that was used is answered as the first one, or refused; it changes nothing."""
    story = await t.story(repeated)
    first = story.after("activated", "lifecycle.unknown_members")
    answer = story["same_key_other_body"]
    if answer.status == 200:
        _judge_same(answer, first)
    else:
        answer.refuse((409, 422))
    before = story.after("status", "status.shape").object()
    _judge_unchanged(story["status_same_key"].expect(200), before)


@check("idempotency.key_other_tenant", rule=_SAME)
async def same_key_other_tenant(t: Trial) -> None:
    """A key that was used for one tenant gets no answer of that one for another tenant."""
    story = await t.story(repeated)
    story.after("activated", "lifecycle.unknown_members")
    answer = story["same_key_other_tenant"]
    if answer.status == 200:
        _judge_same(answer, story["other_tenant"])
    else:
        answer.refuse((409, 422))


@check("idempotency.after_return", rule=f"{_SAME}. {_OTHER}")
async def after_return(t: Trial) -> None:
    """After a return the body that brought the tenant back is the equal one, and the first one is another."""
    story = await t.story(returns)
    story.after("activated", "identifiers.shortest")
    story.after("past", "scheduling.past")
    back = story.after("back", "lifecycle.reactivate")
    _judge_same(story["back_again"], back)
    story["back_as_before"].refuse(409, "tenant_already_exists")
    _judge_unchanged(story["status_back_again"].expect(200), story.after("status_back", "lifecycle.plans").object())


@check("idempotency.deactivate", rule=_DEACTIVATE)
async def deactivate_again(t: Trial) -> None:
    """The same deactivation again answers 200 with the same result, and does not put the deadline off."""
    first, again, story = await _twice(t)
    judge_deactivation(t, again, data_preserved=True)
    again.require(again.object().get("tenant_id") == first.object().get("tenant_id"), "it is about another tenant")
    _judge_deadline(first, again, _MOVED)
    status = story["status_deactivated_again"].expect(200)
    status.require(status.object().get("status") == "deactivated", "the tenant is not `deactivated`")


@check("idempotency.deadline", level=SHOULD, rule=_DEACTIVATE)
async def deadline_stays(t: Trial) -> None:
    """The same deactivation again leaves the deadline where it was."""
    first, again, _ = await _twice(t)
    _judge_deadline(first, again.expect(200), _ROUNDED)


async def _twice(t: Trial) -> tuple[Answer, Answer, Story]:
    story = await t.story(life)
    first = story.after("deactivated", "lifecycle.deactivate")
    return first, story["deactivated_again"], story


def _judge_deadline(first: Answer, again: Answer, most: timedelta) -> None:
    before, after = _deadline(first), _deadline(again)
    if before is not None and after is not None:
        again.require(abs(after - before) <= most, f"`reactivation_deadline` was {before.isoformat()} before")


def _deadline(answer: Answer) -> datetime | None:
    value = answer.object().get("reactivation_deadline")
    return None if value is None else time_of(value)


def _judge_unchanged(status: Answer, before: dict[str, Any]) -> None:
    after = status.object()
    for name in ("status", "plan", "created_at"):
        told = f"`{name}` was {before.get(name)!r}, and is {after.get(name)!r} after an activation that changes nothing"
        status.require(after.get(name) == before.get(name), told)


def _judge_same(answer: Answer, before: Answer) -> None:
    told, first = answer.expect(200).object(), before.object()
    for name in ("status", "tenant_id", "access_url"):
        answer.require(
            told.get(name) == first.get(name),
            f"`{name}` is {told.get(name)!r}; the first time it was {first.get(name)!r}",
        )


def _turned(value: Any) -> Any:
    """Return ``value`` with the members of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: _turned(member) for name, member in reversed(value.items())}
    return value
