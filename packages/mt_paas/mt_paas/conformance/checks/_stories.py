"""The stories that several areas judge: what is asked of a few tenants in a row, each made once.

A tenant can cost a service a database, so the rules that are about one after another are tried on the same one. Nothing
is judged here; the names of the steps are what the checks know.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import datetime, timedelta, timezone
from typing import Any

from mt_paas.conformance.expect import Answer, Blocked, Violation, time_of
from mt_paas.conformance.story import Story
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial

__all__ = [
    "ABSENT",
    "FUTURE",
    "JUNK",
    "TELLING_KEYS",
    "WRONG_DEACTIVATIONS",
    "alike",
    "at_once",
    "changed",
    "life",
    "refusals",
    "repeated",
    "returns",
    "said",
    "until_free",
    "untouched_before",
    "written",
    "wrong_keys",
]

ABSENT: Any = object()
_HOUR = timedelta(hours=1)
_TRIES = 30
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
FUTURE: dict[str, Any] = {"x_future": {"of": ["the", "contract"]}}

#: Bytes that are no JSON object, and what they are.
JUNK: dict[str, bytes] = {
    "no JSON": b'{"tenant_id": "x", ',
    "nothing": b"",
    "a list": b"[]",
    "a text": b'"tenant"',
    "null": b"null",
    "a number": b"7",
    "no UTF-8": b'{"tenant_name": "\xff\xfe"}',
}
#: Members of a deactivation, and values that are wrong there.
WRONG_DEACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "reason": (ABSENT, None, "no_such_reason", "", 7),
    "preserve_data": (ABSENT, None, "true", 1, ""),
    "deactivate_at": ("tomorrow", "2026-02-30T00:00:00Z", "", True),
}
#: The wrong keys that every endpoint is tried with: that all compare alike is seen at one of them.
TELLING_KEYS = ("no key", "another key", "the key and one more character")


def wrong_keys(key: str) -> dict[str, str | None]:
    """Return keys that are not ``key``, each under what it is; None is no header at all."""
    return {
        "no key": None,
        "another key": "not-the-key-of-any-market-0123456789",
        "the key and one more character": f"{key}x",
        "the key without its last character": key[:-1] or "x",
        "the key in the other case": key.swapcase() if key.swapcase() != key else f"{key}A",
        "the key twice": f"{key}, {key}",
    }


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of ``body`` with ``value`` at ``path``; ``ABSENT`` takes away what is there."""
    head, _, rest = path.partition(".")
    copy = dict(body)
    if rest:
        copy[head] = changed(copy[head], rest, value)
    elif value is ABSENT:
        copy.pop(head, None)
    else:
        copy[head] = value
    return copy


def written(moment: datetime, *, hours: int = 0) -> str:
    """Return a time as RFC 3339 with an offset of some hours; 0 is written as ``Z``."""
    text = moment.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z") if hours == 0 else text


async def life(t: Trial, story: Story) -> None:
    """Tell the life of one tenant from its activation to the deletion of its data, and what comes then."""
    tenant = await t.tenant()
    first = await story.step("status", t.status(tenant))
    await story.step("deactivated", t.deactivate(tenant, reason="subscription_expired"))
    await story.step("status_deactivated", t.status(tenant))
    await story.step("deactivated_again", t.deactivate(tenant, reason="subscription_expired"))
    await story.step("status_deactivated_again", t.status(tenant))
    await story.step("reactivated", t.activate(tenant))
    await story.step("status_reactivated", t.status(tenant))
    await story.step("erased", t.deactivate(tenant, preserve_data=False))
    await story.step("status_erased", t.status(tenant))
    await asyncio.sleep(_rest_of_the_second(t, first))
    again = await story.step("activated_after_erasing", t.activate(tenant))
    if again is not None and again.status == 200:
        await story.step("status_after_erasing", t.status(tenant))


def _rest_of_the_second(t: Trial, status: Answer | None) -> float:
    """Return how many seconds to wait until a tenant that is made anew is seen to be a newer one.

    A service may tell times in whole seconds; then two that were made in the same one look alike.
    """
    try:
        made = None if status is None else time_of(status.object().get("created_at"))
    except Violation:
        return 0.0
    if made is None or made.microsecond:
        return 0.0
    return min(max((made - t.now()).total_seconds() + 1.1, 0.0), 1.1)


async def refusals(t: Trial, story: Story) -> None:
    """Tell of a tenant that stays active whatever is asked wrongly; in the end its deactivation is scheduled, and made.

    The schedule is written with an offset far behind UTC; where that is refused, in UTC.
    """
    tenant = await t.tenant()
    right = {"reason": "admin_request", "preserve_data": True}
    for what in TELLING_KEYS:
        key = wrong_keys(t.run.key)[what]
        await story.step(f"key {what}", t.call("POST", "tenant_deactivate", tenant, json=right, key=key))
    await story.step("status_keys", t.status(tenant))
    for what, content in JUNK.items():
        await story.step(f"junk {what}", t.call("POST", "tenant_deactivate", tenant, content=content))
    for path, values in WRONG_DEACTIVATIONS.items():
        for value in values:
            body = changed(right, path, value)
            await story.step(f"body {said(path, value)}", t.call("POST", "tenant_deactivate", tenant, json=body))
    await story.step("status_bodies", t.status(tenant))
    await story.step("no_zone", t.deactivate(tenant, deactivate_at=written(t.now() + _HOUR).removesuffix("Z")))
    await story.step("status_no_zone", t.status(tenant))
    at = t.now() + _HOUR
    when = written(at, hours=-12)
    late = await story.step("behind", t.deactivate(tenant, deactivate_at=when))
    if late is not None and late.status == 422:
        when = written(at)
        await story.step("later", t.deactivate(tenant, deactivate_at=when))
    await story.step("status_later", t.status(tenant))
    if t.target.declares("users"):
        guest = {"email": f"{t.unique()}@mtpaas-test.example"}
        await story.step("user_later", t.call("POST", "users", tenant, json=guest))
    await story.step("scheduled_again", t.deactivate(tenant, deactivate_at=when))
    await story.step("status_scheduled_again", t.status(tenant))
    await story.step("now", t.deactivate(tenant))
    await story.step("status_now", t.status(tenant))


def untouched_before(story: Story, step: str) -> None:
    """Raise ``Blocked`` if what was refused earlier in ``refusals`` changed the tenant: other checks tell that."""
    judges = {
        "status_keys": "authentication.tenant_deactivate",
        "status_bodies": "bodies.deactivate",
        "status_no_zone": "scheduling.no_zone",
    }
    for name, judge in judges.items():
        if name == step:
            return
        status = story.after(name, judge)
        if status.object().get("status") != "active":
            raise Blocked(judge, Violation("the tenant is not active any more", status.exchange))


async def repeated(t: Trial, story: Story) -> None:
    """Tell of a tenant with the longest id and with members that nobody knows, that is activated again and again."""
    await t.shared()
    tenant_id = (t.new_id() + "_-_" + "0123456789" * 6)[:63]
    body = t.body(tenant_id) | FUTURE
    body["admin"] |= FUTURE
    if not t.target.has_config_schema:
        body["config"] |= FUTURE
    await story.step("status_before", t.status(tenant_id))
    headers = {"Idempotency-Key": t.unique("conformance-")}
    first = await story.step("activated", t.activate(tenant_id, body, headers=headers))
    if first is None:
        return
    tenant = Tenant(tenant_id, body, first)
    await story.step("status", t.status(tenant))
    for name in ("same_key", "same_key_again"):
        await story.step(name, t.activate(tenant, headers=headers))
    others: list[dict[str, Any]] = [{"tenant_name": "다른 이름"}, {"config": {**body["config"], "max_users": 51}}]
    others += [{"admin": {"email": f"{t.unique()}@example.org", "name": "다른 사람"}}]
    others += [{"features": []}] if body["features"] else []
    others += [{"plan": plan} for plan in t.run.tenants.plans if plan != body["plan"]]
    for number, other in enumerate(others):
        await story.step(f"other {number}", t.activate(tenant, body | other, headers={"Idempotency-Key": t.unique()}))
    await story.step("status_after", t.status(tenant))
    await story.step("same_key_other_body", t.activate(tenant, body | others[-1], headers=headers))
    await story.step("status_same_key", t.status(tenant))
    async with t.lent() as another:
        story.steps["other_tenant"] = another.answer
        await story.step("same_key_other_tenant", t.activate(another, headers=headers))
    await story.step("deactivated", t.deactivate(tenant, **FUTURE))


async def returns(t: Trial, story: Story) -> None:
    """Tell of a tenant with an id of three characters that goes as of times past, and comes back on another plan."""
    await t.shared()
    plans = t.run.tenants.plans
    body = await _activated_short(t, story, plans[-1])
    if body is None:
        return
    tenant_id = body["tenant_id"]
    await story.step("status", t.status(tenant_id))
    past = {"reason": "violation", "preserve_data": True, "deactivate_at": written(t.now() - _HOUR)}
    await story.step("past", t.call("POST", "tenant_deactivate", tenant_id, json=past))
    await story.step("status_past", t.status(tenant_id))
    back = body | {"plan": plans[0], "tenant_name": "다른 이름"}
    await story.step("back", t.activate(tenant_id, back))
    await story.step("status_back", t.status(tenant_id))
    await story.step("back_again", t.activate(tenant_id, back))
    await story.step("back_as_before", t.activate(tenant_id, body))
    await story.step("status_back_again", t.status(tenant_id))
    await story.step("ahead", t.deactivate(tenant_id, deactivate_at=written(t.now() - _HOUR, hours=9)))
    await story.step("status_ahead", t.status(tenant_id))


async def alike(t: Trial, story: Story) -> None:
    """Tell of three tenants whose ids are nearly the same, of which the first is deactivated, and then erased.

    Who makes names of databases of ids, and replaces what they can not hold or cuts what is too long, makes one of two.
    """
    await t.shared()
    first = (f"{t.new_id()}-a-" + "0123456789" * 6)[:62]
    ids = {"first": first, "longer": f"{first}x", "underscored": first.replace("-a-", "_a_")}
    bodies = {name: t.body(tenant_id) for name, tenant_id in ids.items()}
    for name, tenant_id in ids.items():
        await story.step(f"activated {name}", t.activate(tenant_id, bodies[name]))
    if t.target.declares("users"):
        for name, tenant_id in ids.items():
            guest = {"email": f"{name}-{t.unique()}@mtpaas-test.example", "name": f"of the {name}"}
            await story.step(f"user {name}", t.call("POST", "users", tenant_id, json=guest))
    right: dict[str, Any] = {"reason": "admin_request", "preserve_data": True}
    if t.target.names_tenant("tenant_deactivate"):
        named = right | {"tenant_id": ids["longer"]}
        await story.step("of_another", t.call("POST", "tenant_deactivate", first, json=named))
        await story.step("status of_another", t.status(ids["longer"]))
    await story.step("deactivated", t.call("POST", "tenant_deactivate", first, json=right | {"preserve_data": False}))
    for name in ("longer", "underscored"):
        await story.step(f"status {name}", t.status(ids[name]))
        if t.target.declares("users"):
            await story.step(f"users {name}", t.call("GET", "users", ids[name], query={"limit": "500"}))


async def at_once(t: Trial, story: Story) -> None:
    """Tell of a tenant that is activated three times at once, and deactivated twice at once."""
    await t.shared()
    tenant_id = t.new_id()
    body = t.body(tenant_id)
    names = ["first", "second", "third"]
    await asyncio.gather(*[story.step(name, t.activate(tenant_id, body)) for name in names])
    await story.step("in_the_end", until_free(t, tenant_id, body))
    await story.step("status", t.status(tenant_id))
    names = ["deactivated", "deactivated_too"]
    await asyncio.gather(*[story.step(name, t.deactivate(tenant_id)) for name in names])
    await story.step("status_deactivated", t.status(tenant_id))


async def until_free(t: Trial, tenant_id: str, body: dict[str, Any]) -> Answer:
    """Ask for an activation until no other lifecycle call for the tenant is in the way; return the last answer."""
    left = _TRIES
    while True:
        answer = await t.activate(tenant_id, body)
        left -= 1
        if answer.status != 409 or not left:
            return answer
        await asyncio.sleep(0.1)


async def _activated_short(t: Trial, story: Story, plan: str) -> dict[str, Any] | None:
    """Activate a tenant with an id of three characters; return the body of its activation, or None if that broke.

    There are few such ids: one may be somebody's, or may have been given to an earlier run and be gone for good.
    """
    left = _TRIES
    while True:
        tenant_id = f"{secrets.choice(_ALPHABET)}{'_-'[left % 2]}{secrets.choice(_ALPHABET)}"
        before = await story.step("status_before", t.status(tenant_id))
        if before is None or before.status not in {200, 410}:
            body = t.body(tenant_id, plan=plan)
            answer = await story.step("activated", t.activate(tenant_id, body))
            if answer is None or answer.status != 410:
                return None if answer is None else body
        left -= 1
        if not left:
            t.skip("every id of three characters that was looked at is taken")


def said(path: str, value: Any) -> str:
    """Return what is wrong with a body, in words."""
    return f"without {path}" if value is ABSENT else f"with {path}: {json.dumps(value, ensure_ascii=False)}"
