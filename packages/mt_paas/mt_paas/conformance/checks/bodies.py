"""Bodies of requests: what is not valid is refused, every fault of it is told, and nothing is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mt_paas.conformance.checks._people import ODD_TEXTS, new_user
from mt_paas.conformance.checks._stories import (
    ABSENT,
    FUTURE,
    JUNK,
    WRONG_DEACTIVATIONS,
    changed,
    refusals,
    said,
    untouched_before,
)
from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.expect import Answer, Violation
from mt_paas.conformance.registry import check, version_2
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import StatusResponse

__all__: list[str] = []

_INVALID = "A body that is not valid: 422 `invalid_body` with every fault and its path"
_STRICT = "Models are strict about types and values"
_PLAN = "a plan the service does not have: 422 `invalid_plan`"
_GROWS = "both sides ignore fields that they do not know: that is how the contract grows"
_BROKEN = tuple(range(500, 600))
_REASON = "body `reason: subscription_expired|admin_request|violation, preserve_data, deactivate_at?`"


def _wrong_activations() -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield a path, a value that is wrong there, and the error words that fit."""
    invalid = ("invalid_body",)
    for path in ("tenant_name", "plan", "admin", "admin.email", "admin.name"):
        words = ("invalid_body", "invalid_plan") if path == "plan" else invalid
        yield path, ABSENT, words
        yield path, None, words
    yield "tenant_id", ABSENT, ("invalid_body", "tenant_id_mismatch", "invalid_tenant_id")
    yield "tenant_id", 7, ("invalid_body", "tenant_id_mismatch", "invalid_tenant_id")
    for path, values in {
        "tenant_name": (7, True, ["name"], ""),
        "features": ("ai_chat", {"ai_chat": True}, [7], [None]),
        "config": ("none", [], 7),
        "config.max_users": ("50", True, -1, [50]),
        "config.storage_limit_gb": ("10", False, -0.5),
        "admin": ("admin@example.org", ["admin@example.org"]),
        "admin.email": (7, "", "not-an-address", "two words@example.org"),
        "admin.name": (7, "", False),
    }.items():
        for value in values:
            yield path, value, invalid
    for value in (7, ["basic"]):
        yield "plan", value, ("invalid_body", "invalid_plan")


@check("bodies.activate_junk", rule=_INVALID)
async def activate_junk(t: Trial) -> None:
    """An activation whose body is no JSON object is refused, and leaves nothing."""
    tenant_id = t.new_id()
    for what, content in JUNK.items():
        answer = await t.call("POST", "tenant_activate", tenant_id, content=content)
        _judge(answer, ("invalid_body",), f"a body that is {what}")
    await _judge_nothing_left(t, tenant_id)


@check("bodies.activate_members", rule=f"{_INVALID}. {_STRICT}")
async def activate_members(t: Trial) -> None:
    """An activation with a member that is missing or wrong is refused, and leaves nothing."""
    tenant_id = t.new_id()
    wrong: list[str] = []
    first: Answer | None = None
    for path, value, words in _wrong_activations():
        answer = await t.activate(tenant_id, changed(t.body(tenant_id), path, value), tolerate=_BROKEN)
        try:
            _judge(answer, words, f"a body {said(path, value)}")
        except Violation:
            wrong.append(f"{said(path, value)} ({answer.status}{f' {word}' if (word := answer.error_word) else ''})")
            first = first or answer
        if answer.status < 300:
            tenant_id = t.new_id()  # there is a tenant of the old one now: the next body would be another for it
    if first is not None:
        first.fail(f"expected 422 invalid_body for a body {'; '.join(wrong)}")
    await _judge_nothing_left(t, tenant_id)


@check("bodies.every_fault", rule=_INVALID)
async def every_fault(t: Trial) -> None:
    """A body with several faults is answered with all of them."""
    tenant_id = t.new_id()
    body = changed(changed(t.body(tenant_id), "tenant_name", 7), "admin.email", "not-an-address")
    answer = await t.activate(tenant_id, changed(body, "config.max_users", "many"))
    error = answer.refuse(422, "invalid_body")
    told = json.dumps(error, ensure_ascii=False)
    missing = [name for name in ("tenant_name", "email", "max_users") if name not in told]
    answer.require(not missing, f"neither `details` nor `message` names {', '.join(missing)}, which is wrong too")


@check("bodies.plan", rule=_PLAN)
async def unknown_plan(t: Trial) -> None:
    """A plan that the service does not have is refused, and leaves nothing."""
    if not t.target.plans:
        t.skip("no manifest lists the plans: the service may take any")
    tenant_id = t.new_id()
    (await t.activate(tenant_id, t.body(tenant_id, plan="no-such-plan-0"))).refuse(422, "invalid_plan")
    await _judge_nothing_left(t, tenant_id)


@check("bodies.deactivate", rule=f"{_REASON}. {_INVALID}")
async def deactivate(t: Trial) -> None:
    """A deactivation with a body that is not valid is refused, and the tenant stays active."""
    story = await t.story(refusals)
    untouched_before(story, "status_bodies")
    for what in JUNK:
        _judge(story[f"junk {what}"], ("invalid_body",), f"a body that is {what}")
    for path, values in WRONG_DEACTIVATIONS.items():
        for wrong in (said(path, value) for value in values):
            _judge(story[f"body {wrong}"], ("invalid_body",), f"a body {wrong}")
    story["status_bodies"].expect(200).model(StatusResponse, status="active")


@check("bodies.hostile", rule="Models are strict about types and values")
async def hostile(t: Trial) -> None:
    """A body that is very deep or very large is refused, and does not break the service."""
    tenant_id = t.new_id()
    body = t.body(tenant_id)
    deep = json.dumps(body)[:-1] + ', "x_deep": ' + "[" * 20_000 + "]" * 20_000 + "}"
    large = json.dumps({**body, "tenant_name": "a" * 2_000_000})
    for what, content in (("nested 20000 times", deep), ("of 2 MB", large)):
        try:
            answer = await t.call("POST", "tenant_activate", tenant_id, content=content.encode())
        except Violation as violation:
            if _was_cut_off(violation):
                continue
            raise
        answer.require(400 <= answer.status < 500, f"expected a refusal (4xx) of a body {what}")
    await _judge_nothing_left(t, tenant_id)


@check("bodies.charset", rule="JSON is snake_case, UTF-8")
async def charset(t: Trial) -> None:
    """A body that is said to be `application/json; charset=utf-8` is JSON in UTF-8."""
    async with t.lent() as tenant:
        answer = await t.activate(tenant, headers={"Content-Type": "application/json; charset=utf-8"})
        judge_activation(answer, tenant.id)


@check("bodies.unknown_members", needs=[version_2], rule=f"{_GROWS}")
async def unknown_members(t: Trial) -> None:
    """Members that the service does not know are ignored in every body of version 2."""
    activation, email = t.body(t.new_id()), f"{t.unique()}@mtpaas-test.example"
    bodies: dict[str, dict[str, Any]] = {
        "suspend": {"reason": "policy"},
        "resume": {},
        "plan_change": {name: activation[name] for name in ("plan", "features", "config")},  # as it was lent
        "sso": {"user": {"email": email, "name": "Kim", "role": "member"}, "return_to": "/"},
        "export": {},
    }
    async with t.lent() as tenant:
        for endpoint, body in bodies.items():
            if t.target.declares(endpoint) and not (endpoint == "suspend" and not t.target.declares("resume")):
                answer = await t.call("POST", endpoint, tenant, json={**body, **FUTURE})
                answer.require(answer.status < 300 or answer.error_word == "plan_change_not_allowed", "expected 200")
        if t.target.declares("users"):
            user = await new_user(t, tenant, **FUTURE)
            if t.target.declares("user"):
                body = {"name": "Lee Duri", **FUTURE}
                (await t.call("PUT", "user", tenant, user_id=user["id"], json=body)).expect(200)
        if t.target.declares("settings"):
            read = (await t.call("GET", "settings", tenant)).expect(200)
            body, headers = (
                {"settings": read.object().get("settings"), **FUTURE},
                {"If-Match": read.headers.get("etag")},
            )
            (await t.call("PUT", "settings", tenant, json=body, headers=headers)).expect(200)


@check("bodies.odd_values", rule="Models are strict about types and values")
async def odd_values(t: Trial) -> None:
    """Text that no database stores, and numbers that no machine word holds, break nothing."""
    configs = ({"max_users": 10**20}, {"storage_limit_gb": 2**63}, {"storage_limit_gb": 1e300})
    odd: list[dict[str, Any]] = [
        *({"tenant_name": text} for text in ODD_TEXTS),
        *({"config": config} for config in configs),
    ]
    for changes in odd:
        tenant_id = t.new_id()
        answer = await t.activate(tenant_id, t.body(tenant_id, **changes))
        answer.require(answer.status == 200 or 400 <= answer.status < 500, "expected 200, or a refusal (4xx)")


@check("bodies.method", rule="Errors are one shape")
async def wrong_method(t: Trial) -> None:
    """A call by another method is refused, and does nothing."""
    tenant = await t.shared()
    unknown = t.new_id()
    for method, endpoint, whose in (
        ("POST", "tenant_status", tenant.id),
        ("GET", "tenant_activate", unknown),
        ("GET", "tenant_deactivate", tenant.id),
        ("PUT", "tenant_deactivate", tenant.id),
    ):
        answer = await t.call(method, endpoint, whose, tolerate=(501,))
        answer.require(
            400 <= answer.status < 500 or answer.status == 501, f"expected 405, or another refusal, of {method}"
        )
    await _judge_nothing_left(t, unknown)


def _judge(answer: Answer, words: tuple[str, ...], what: str) -> None:
    if answer.status != 422:
        answer.fail(f"expected 422 {words[0]} for {what}")
    answer.refuse(422, words)


async def _judge_nothing_left(t: Trial, tenant_id: str) -> None:
    answer = await t.status(tenant_id)
    if answer.status != 404:
        answer.fail("a call that was refused left a tenant behind; expected 404 tenant_not_found")
    answer.refuse(404, "tenant_not_found")


def _was_cut_off(violation: Violation) -> bool:
    """Return whether the service closed the connection on a body that it would not read, which is a refusal too."""
    exchange = violation.exchange
    return exchange is not None and exchange.status is None and exchange.trouble.startswith("broke off")
