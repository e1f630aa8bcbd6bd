"""Statistics, costs and the most active users: figures that add up, for the period that was asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mt_paas.conformance.checks._people import NO_LIMITS, new_user
from mt_paas.conformance.checks._periods import AHEAD, PERIODS, SOME_NO_PERIODS
from mt_paas.conformance.expect import Answer
from mt_paas.conformance.registry import SHOULD, check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import Costs, Stats, TopUsers

__all__: list[str] = []

_PERIOD = "`period` means the same everywhere (and is echoed in its resolved form, `2026-01` or `2026-01-03`"
_INVALID = "anything else is 422 `invalid_period`"
_DATED = {"stats": "series", "stats_costs": "by_day"}


async def _echoes_periods(t: Trial, key: str) -> None:
    """Ask in all four forms; the answer names the day or month that is meant, at this moment in UTC."""
    tenant = await t.shared()
    for period in PERIODS:
        before = datetime.now(UTC).date()
        answer = (await t.call("GET", key, tenant, query={"period": period})).expect(200)
        after = datetime.now(UTC).date()
        meant = {_resolved(period, day) for day in (before, after)}
        members = answer.object()
        answer.require(members.get("period") in meant, f"period is {members.get('period')!r}, expected {min(meant)!r}")
        answer.require(members.get("tenant_id") == tenant.id, f"tenant_id is {members.get('tenant_id')!r}")
    await _breaks_at_no_period(t, key)


async def _breaks_at_no_period(t: Trial, key: str) -> None:
    """Ask for a month that has not begun, and without a period: both may be refused."""
    for query in ({"period": AHEAD}, {}):
        answer = await t.call("GET", key, await t.shared(), query=query)
        if answer.status != 200:
            answer.refuse((400, 422))


async def _refuses_what_is_no_period(t: Trial, key: str) -> None:
    tenant = await t.shared()
    for period in SOME_NO_PERIODS:
        (await t.call("GET", key, tenant, query={"period": period})).refuse(422, "invalid_period")


async def _dates_lie_within_the_period(t: Trial, key: str) -> None:
    """Look at the dated list of this month and of this day: within the period, and each date once."""
    tenant = await t.shared()
    for period in ("monthly", "daily"):
        answer = (await t.call("GET", key, tenant, query={"period": period})).expect(200)
        members = answer.object()
        dates = [str(point.get("date")) for point in _items(answer, members, _DATED[key])]
        outside = [day for day in dates if not _is_day(day) or not day.startswith(str(members.get("period")))]
        answer.require(not outside, f"{_DATED[key]} has {', '.join(outside[:3])}, not within {members.get('period')}")
        answer.require(len(set(dates)) == len(dates), f"{_DATED[key]} has a date more than once")
        if key == "stats":
            answer.require(dates == sorted(dates), "series is not in the order of its dates")


@check(
    "stats.answer",
    needs=[endpoint("stats")],
    rule="`GET …/stats?period=`: `{tenant_id, period, users{total, active_today}, series[…], top_resources[…]}`",
)
async def stats_have_their_shape(t: Trial) -> None:
    """Statistics have their members and types."""
    tenant = await t.shared()
    answer = (await t.call("GET", "stats", tenant, query={"period": "monthly"})).expect(200)
    stats = answer.model(Stats, tenant_id=tenant.id)
    answer.require(stats.users.active_today <= stats.users.total, "more users were active today than there are")


@check("stats.periods", needs=[endpoint("stats")], rule=_PERIOD)
async def stats_resolve_periods(t: Trial) -> None:
    """Statistics name the period that they are about, resolved."""
    await _echoes_periods(t, "stats")


@check("stats.invalid_period", needs=[endpoint("stats")], rule=_INVALID)
async def stats_refuse_what_is_no_period(t: Trial) -> None:
    """Statistics of what is no period are refused."""
    await _refuses_what_is_no_period(t, "stats")


@check("stats.series", needs=[endpoint("stats")], rule="`series[{date, active_users, api_calls, …}]` of the period")
async def series_has_each_day_once(t: Trial) -> None:
    """The series has each day of the period at most once, in order."""
    await _dates_lie_within_the_period(t, "stats")


@check(
    "costs.answer",
    needs=[endpoint("stats_costs")],
    rule="`{tenant_id, period, currency, total, by_model[…], by_feature[…], by_day[…]}`",
)
async def costs_have_their_shape(t: Trial) -> None:
    """Costs have their members and types, amounts as decimals."""
    tenant = await t.shared()
    (await t.call("GET", "stats_costs", tenant, query={"period": "monthly"})).expect(200).model(
        Costs, tenant_id=tenant.id
    )


@check("costs.sums", needs=[endpoint("stats_costs")], rule="each breakdown that is given sums to `total`")
async def each_breakdown_sums_to_the_total(t: Trial) -> None:
    """By model, by feature and by day, costs sum to the total, to the last decimal."""
    tenant = await t.shared()
    for period in ("monthly", "daily", "2026-01"):
        answer = (await t.call("GET", "stats_costs", tenant, query={"period": period})).expect(200)
        members = answer.object()
        total = _amount(answer, members.get("total"))
        for breakdown in ("by_model", "by_feature", "by_day"):
            if members.get(breakdown) is not None:
                parts = [_amount(answer, part.get("cost")) for part in _items(answer, members, breakdown)]
                answer.require(sum(parts, Decimal(0)) == total, f"{breakdown} sums to {sum(parts)}, total is {total}")


@check("costs.parts", needs=[endpoint("stats_costs")], rule="`by_model[{model, cost}], by_feature[{feature, cost}]`")
async def each_part_is_named_once(t: Trial) -> None:
    """A breakdown has each model, and each feature, once."""
    answer = (await t.call("GET", "stats_costs", await t.shared(), query={"period": "monthly"})).expect(200)
    for breakdown, name in (("by_model", "model"), ("by_feature", "feature")):
        parts = [part.get(name) for part in _items(answer, answer.object(), breakdown)]
        twice = next((part for part in parts if parts.count(part) > 1), None)
        answer.require(twice is None, f"{breakdown} has {twice!r} more than once")


@check("costs.past", level=SHOULD, needs=[endpoint("stats_costs")], rule=_PERIOD)
async def nothing_cost_before_there_was_a_tenant(t: Trial) -> None:
    """A month in which there was no such tenant has cost nothing."""
    answer = (await t.call("GET", "stats_costs", await t.shared(), query={"period": "2020-01"})).expect(200)
    total = _amount(answer, answer.object().get("total"))
    answer.require(total == 0, f"total is {total}, of a month in which there was no such tenant")


@check("costs.periods", needs=[endpoint("stats_costs")], rule=_PERIOD)
async def costs_resolve_periods(t: Trial) -> None:
    """Costs name the period that they are about, resolved."""
    await _echoes_periods(t, "stats_costs")


@check("costs.invalid_period", needs=[endpoint("stats_costs")], rule=_INVALID)
async def costs_refuse_what_is_no_period(t: Trial) -> None:
    """Costs of what is no period are refused."""
    await _refuses_what_is_no_period(t, "stats_costs")


@check("costs.by_day", needs=[endpoint("stats_costs")], rule="`by_day[{date, cost}]` of the period")
async def costs_by_day_are_of_the_period(t: Trial) -> None:
    """Costs by day are of the period, each day once."""
    await _dates_lie_within_the_period(t, "stats_costs")


@check(
    "top_users.answer",
    needs=[endpoint("stats_top_users")],
    rule="`{items[{user_id, name, activity, cost}]}`, most active first",
)
async def top_users_have_their_shape(t: Trial) -> None:
    """The most active users come with their activity, most active first, each once."""
    tenant = await t.shared()
    if t.target.declares("users"):  # of one user alone there is no order
        await asyncio.gather(*(new_user(t, tenant) for _ in range(3)))
    answer = (await t.call("GET", "stats_top_users", tenant, query={"period": "monthly", "limit": "500"})).expect(200)
    items = _items(answer, answer.object(), "items")
    activity = [each for item in items if isinstance(each := item.get("activity"), (int, float))]
    answer.require(activity == sorted(activity, reverse=True), f"activity goes {activity[:5]}, not downwards")
    top = answer.model(TopUsers)
    ids = [item.user_id for item in top.items]
    answer.require(len(set(ids)) == len(ids), "a user is there more than once")


@check("top_users.periods", needs=[endpoint("stats_top_users")], rule=_PERIOD)
async def top_users_are_of_any_period(t: Trial) -> None:
    """The most active users are answered of every form of a period."""
    tenant = await t.shared()
    for period in PERIODS:
        (await t.call("GET", "stats_top_users", tenant, query={"period": period})).expect(200).model(TopUsers)
    await _breaks_at_no_period(t, "stats_top_users")


@check("top_users.limit", needs=[endpoint("stats_top_users")], rule="`limit` is 1 to 500")
async def top_users_obey_the_limit(t: Trial) -> None:
    """No more users come than were asked for."""
    tenant = await t.shared()
    for limit in (1, 2):
        answer = (
            await t.call("GET", "stats_top_users", tenant, query={"period": "monthly", "limit": str(limit)})
        ).expect(200)
        items = _items(answer, answer.object(), "items")
        answer.require(len(items) <= limit, f"{len(items)} users came, limit was {limit}")


@check("top_users.invalid_limit", needs=[endpoint("stats_top_users")], rule="`limit` is 1 to 500")
async def top_users_refuse_what_is_no_limit(t: Trial) -> None:
    """A limit that is none is refused."""
    tenant = await t.shared()
    for limit in NO_LIMITS:
        (await t.call("GET", "stats_top_users", tenant, query={"period": "monthly", "limit": limit})).refuse((400, 422))


@check("top_users.invalid_period", needs=[endpoint("stats_top_users")], rule=_INVALID)
async def top_users_refuse_what_is_no_period(t: Trial) -> None:
    """The most active users of what is no period are refused."""
    await _refuses_what_is_no_period(t, "stats_top_users")


def _resolved(period: str, today: date) -> str:
    return {"daily": today.isoformat(), "monthly": today.isoformat()[:7]}.get(period, period)


def _items(answer: Answer, members: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = members.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        answer.fail(f"{name} is no list of objects")
    return items


def _amount(answer: Answer, value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        answer.fail(f"{value!r} is no amount")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
