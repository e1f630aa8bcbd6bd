"""Status: what a service says of a tenant; and usage, what the tenant used."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

from mt_paas.conformance.checks._periods import AHEAD, NO_PERIODS, PERIODS
from mt_paas.conformance.checks._stories import life
from mt_paas.conformance.expect import Answer, time_of
from mt_paas.conformance.registry import SHOULD, Need, Profile, check
from mt_paas.conformance.target import Target
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import StatusResponse

__all__: list[str] = []

_SHAPE = (
    "200 `{tenant_id, status: active|suspended|deactivated, plan, created_at, users{total, active_today},"
    " storage{used_gb, limit_gb}}`"
)
_USAGE = "200 `{tenant_id, period, usage{api_calls, ai_tokens, storage_gb, active_users, …}}`"
_PERIOD = "`period` means the same everywhere (and is echoed in its resolved form, `2026-01` or `2026-01-03`)"
_INVALID_PERIOD = "anything else is 422 `invalid_period`"
_SKEW = timedelta(minutes=5)


def _usage(target: Target) -> str | None:
    return None if target.declares("usage_report") else "not declared: endpoints.usage_report"


_NEEDS: tuple[Need, ...] = (_usage,)


@check("status.shape", name="Tenant Status", rule=_SHAPE, profile=Profile.CORE)
async def shape(t: Trial) -> None:
    """The status of an activated tenant is active, with its plan and figures."""
    tenant = await t.shared()
    answer = (await t.status(tenant)).expect(200)
    answer.model(StatusResponse, tenant_id=tenant.id, status="active", plan=tenant.body["plan"])


@check("status.figures", rule=_SHAPE)
async def figures(t: Trial) -> None:
    """No more users were active today than there are."""
    answer = (await t.status(await t.shared())).expect(200)
    users = answer.model(StatusResponse).users
    answer.require(users.active_today <= users.total, f"{users.active_today} of {users.total} users were active today")


@check("status.created_at", rule="times are RFC 3339 in UTC")
async def created_at(t: Trial) -> None:
    """`created_at` is when the tenant was activated, and stays that."""
    story = await t.story(life)
    answer = story["status"].expect(200)
    told = answer.model(StatusResponse).created_at
    away = abs(told - t.now())
    answer.require(away < _SKEW, f"`created_at` is {told.isoformat()}, {away} from now; the tenant was made just now")
    again = story.after("status_deactivated", "lifecycle.deactivate")
    value = again.object().get("created_at")
    again.require(time_of(value) == told, f"`created_at` was {told.isoformat()} before, and is {value!r}")


@check("status.limit", level=SHOULD, rule="config{max_users, storage_limit_gb, …}")
async def limit(t: Trial) -> None:
    """`storage.limit_gb` is the limit that the tenant was activated with."""
    tenant = await t.shared()
    answer = (await t.status(tenant)).expect(200)
    told, wanted = answer.model(StatusResponse).storage.limit_gb, tenant.body["config"]["storage_limit_gb"]
    answer.require(told is None or math.isclose(told, wanted), f"`storage.limit_gb` is {told}, expected {wanted}")


@check("status.deactivated", rule=_SHAPE)
async def deactivated(t: Trial) -> None:
    """The status of a deactivated tenant whose data are kept has the same shape."""
    story = await t.story(life)
    story.after("deactivated", "lifecycle.deactivate")
    story["status_deactivated"].expect(200).model(StatusResponse, status="deactivated")


@check("usage.shape", rule=_USAGE)
async def usage_shape(t: Trial) -> None:
    """Usage answers 200 with figures that are numbers, none below zero."""
    tenant = await t.shared()
    answer = await _asked(t, tenant, "monthly")
    _judge_figures(answer, tenant)


@check("usage.periods", rule=_PERIOD)
async def periods(t: Trial) -> None:
    """Each form of a period is taken, and echoed as the day or month that it means."""
    tenant = await t.shared()
    for asked in PERIODS:
        before = t.now()
        answer = await _asked(t, tenant, asked)
        _judge_figures(answer, tenant)
        length = {"daily": 10, "monthly": 7}.get(asked)
        right = {asked} if length is None else {moment.date().isoformat()[:length] for moment in (before, t.now())}
        told = answer.object().get("period")
        answer.require(told in right, f"`period` is {told!r}, expected {' or '.join(sorted(right))!r}")


@check("usage.other_periods", rule=_PERIOD)
async def other_periods(t: Trial) -> None:
    """A month that has not begun, and no period at all, are answered or refused; they break nothing."""
    tenant = await t.shared()
    await _asked(t, tenant, "monthly")
    for query in ({"period": AHEAD}, {}):
        answer = await t.call("GET", "usage_report", tenant, query=query)
        if answer.status == 200:
            _judge_figures(answer, tenant)
        else:
            answer.refuse((400, 422))


@check("usage.past", level=SHOULD, rule=_PERIOD)
async def past(t: Trial) -> None:
    """Of a month in which there was no such tenant there is no usage."""
    answer = await _asked(t, await t.shared(), "2020-01")
    usage = answer.object().get("usage")
    used = [name for name in ("api_calls", "ai_tokens", "active_users") if isinstance(usage, dict) and usage.get(name)]
    answer.require(not used, f"there are {', '.join(used)} of a month in which there was no such tenant")


@check("usage.invalid_period", rule=_INVALID_PERIOD)
async def invalid_period(t: Trial) -> None:
    """What is no period is refused."""
    tenant = await t.shared()
    await _asked(t, tenant, "monthly")
    for period in NO_PERIODS:
        answer = await t.call("GET", "usage_report", tenant, query={"period": period}, tolerate=(501,))
        if not period and answer.status == 200:
            continue  # an empty value may be taken as none
        answer.refuse(422, "invalid_period")


async def _asked(t: Trial, tenant: Tenant, period: str) -> Answer:
    """Ask for usage. Without a manifest nobody knows whether it is offered: then a no skips the check."""
    if reason := _usage(t.target):
        t.skip(reason)
    answer = await t.call("GET", "usage_report", tenant, query={"period": period}, tolerate=(501,))
    if answer.status == 501 or (t.target.document is None and _has_no_such_call(answer)):
        t.skip("the service does not offer usage, which is optional")
    return answer.expect(200)


def _has_no_such_call(answer: Answer) -> bool:
    return answer.status == 404 and b"tenant_not_found" not in answer.body


def _judge_figures(answer: Answer, tenant: Tenant) -> None:
    told = answer.object()
    answer.require(told.get("tenant_id") == tenant.id, f"`tenant_id` is {told.get('tenant_id')!r}")
    period = told.get("period")
    answer.require(
        isinstance(period, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", period), f"`period` is {period!r}"
    )
    usage: Any = told.get("usage")
    if not isinstance(usage, dict):
        answer.fail("`usage` is not an object")
    for name in ("api_calls", "ai_tokens", "active_users"):
        value = usage.get(name)
        is_count = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
        answer.require(is_count, f"`usage.{name}` is {value!r}, not a whole number from 0")
    value = usage.get("storage_gb")
    is_figure = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
    answer.require(is_figure, f"`usage.storage_gb` is {value!r}, not a number from 0")
