"""Pages of users and tenants: every item once, whatever the limit, and an end to them."""

from __future__ import annotations

import asyncio
from typing import Any

from mt_paas.conformance.checks._people import NO_LIMITS, new_user, pages
from mt_paas.conformance.registry import SHOULD, check, endpoint
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_ONCE = "a page's cursor is opaque; walking the pages gives every item once"
_LIMIT = "`limit` is 1 to 500"
_LISTS = ("users", "resources", "inventory")


@check("pagination.users", needs=[endpoint("users")], rule=_ONCE)
async def walking_gives_every_user_once(t: Trial) -> None:
    """Walking the pages of users, two at a time and one at a time, gives everybody once."""
    async with t.lent() as tenant:
        made = {user["id"] for user in await asyncio.gather(*(new_user(t, tenant) for _ in range(5)))}
        whole, totals = await _walked(t, "users", tenant, 500)
        t.require(made <= set(whole), f"{len(made - set(whole))} users who were made are not in the list")
        for limit in (2, 1):
            walked, told = await _walked(t, "users", tenant, limit)
            _require_the_same(t, walked, whole, limit)
            totals |= told
        t.require(totals == {len(whole)}, f"total is {', '.join(map(str, totals))}, and there are {len(whole)} users")


@check("pagination.resources", needs=[endpoint("resources")], rule=_ONCE)
async def walking_gives_every_resource_once(t: Trial) -> None:
    """Walking the pages of resources gives each once."""
    tenant = await t.shared("b")
    whole, totals = await _walked(t, "resources", tenant, 500)
    walked, told = await _walked(t, "resources", tenant, max(1, len(whole) // 3))
    _require_the_same(t, walked, whole, max(1, len(whole) // 3))
    wrong = (totals | told) - {None, len(whole)}
    t.require(not wrong, f"total is {', '.join(map(str, wrong))}, and there are {len(whole)} resources")


@check("pagination.filtered", needs=[endpoint("users")], rule=_ONCE)
async def filters_hold_on_every_page(t: Trial) -> None:
    """Walking the pages of the users who match brings these, and on no page anybody else."""
    tenant, word = await t.shared("b"), t.unique("p")
    made = {(await new_user(t, tenant, name=f"{word} {index}"))["id"] for index in range(3)}
    await new_user(t, tenant)
    walked, _ = await _walked(t, "users", tenant, 1, q=word)
    _require_the_same(t, walked, list(made), 1)


@check("pagination.added_meanwhile", needs=[endpoint("users")], rule=_ONCE)
async def nobody_comes_twice(t: Trial) -> None:
    """Who is there before a walk comes once, also when somebody is added while it lasts."""
    tenant, word = await t.shared("b"), t.unique("p")
    made = {(await new_user(t, tenant, name=f"{word} {index}"))["id"] for index in range(3)}
    came: list[Any] = []
    async for page in pages(t, "users", tenant, q=word, limit="1"):
        came += [item.get("id") for item in page.object().get("items") or ()]
        if len(came) == 1:
            await new_user(t, tenant, name=f"{word} late")
    _require_each_once(t, came, made)


@check("pagination.removed_meanwhile", level=SHOULD, needs=[endpoint("user")], rule=_ONCE)
async def nobody_is_passed_over(t: Trial) -> None:
    """Who is there all through a walk comes once, also when somebody is removed while it lasts."""
    tenant, word = await t.shared("b"), t.unique("p")
    made = {(await new_user(t, tenant, name=f"{word} {index}"))["id"] for index in range(4)}
    came: list[Any] = []
    async for page in pages(t, "users", tenant, q=word, limit="1"):
        came += [item.get("id") for item in page.object().get("items") or ()]
        if len(came) == 1:
            (await t.call("DELETE", "user", tenant, user_id=str(came[0]))).expect(204)
    _require_each_once(t, came, made)


def _require_each_once(t: Trial, came: list[Any], made: set[str]) -> None:
    twice = next((each for each in came if came.count(each) > 1), None)
    t.require(twice is None, f"{twice} came more than once")
    t.require(made <= set(came), f"{len(made - set(came))} of {len(made)} users were left out")


@check("pagination.limits", needs=[], rule=_LIMIT)
async def what_is_no_limit_is_refused(t: Trial) -> None:
    """A limit below 1, above 500, or that is no number is refused on every list."""
    for listed, tenant in await _lists(t):
        for limit in NO_LIMITS:
            answer = await t.call("GET", listed, tenant, query={"limit": limit})
            answer.refuse((400, 422))


@check("pagination.bounds", needs=[], rule=_LIMIT)
async def the_bounds_are_limits(t: Trial) -> None:
    """A limit of 1 and one of 500 are taken and obeyed, and none is needed."""
    for listed, tenant in await _lists(t):
        for query, most in (({"limit": "1"}, 1), ({"limit": "500"}, 500), ({}, 500)):
            answer = (await t.call("GET", listed, tenant, query=query)).expect(200)
            items = answer.object().get("items")
            if not isinstance(items, list):
                answer.fail("items is no list")
            answer.require(len(items) <= most, f"{len(items)} items came, limit was {most}")


@check("pagination.foreign_cursor", needs=[], rule="a page's cursor is opaque")
async def a_made_up_cursor_breaks_nothing(t: Trial) -> None:
    """A cursor that the service never gave is refused, or leads nowhere; it breaks nothing."""
    for listed, tenant in await _lists(t):
        for cursor in ("made-up", "'; --", "9" * 30, "e30=", "\x00"):
            answer = await t.call("GET", listed, tenant, query={"cursor": cursor})
            if answer.status == 200:
                answer.require(isinstance(answer.object().get("items"), list), "items is no list")
            else:
                answer.refused()


async def _lists(t: Trial) -> list[tuple[str, Tenant | str]]:
    """Return the lists that the service declares, each with the tenant that is asked about; skip when there is none."""
    declared = [name for name in _LISTS if t.target.declares(name)]
    if not declared:
        t.skip("no list is declared: endpoints.users, endpoints.resources, endpoints.inventory")
    tenant = await t.shared()
    return [(name, tenant if t.target.names_tenant(name) else "") for name in declared]


async def _walked(t: Trial, listed: str, tenant: Tenant, limit: int, **query: str) -> tuple[list[str], set[Any]]:
    """Return the ids of all pages in their order, and the totals that the pages told."""
    ids: list[str] = []
    totals: set[Any] = set()
    async for page in pages(t, listed, tenant, limit=str(limit), **query):
        items = page.object().get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            page.fail("items is no list of objects")
        page.require(len(items) <= limit, f"{len(items)} items came, limit was {limit}")
        totals.add(page.object().get("total"))
        ids += [str(item.get("id")) for item in items]
        twice = next((each for each in ids if ids.count(each) > 1), None)
        page.require(twice is None, f"{twice} came more than once")
    return ids, totals


def _require_the_same(t: Trial, walked: list[str], whole: list[str], limit: int) -> None:
    missing = set(whole) - set(walked)
    t.require(not missing, f"with limit {limit} the pages leave out {len(missing)} of {len(whole)}")
    strangers = set(walked) - set(whole)
    t.require(not strangers, f"with limit {limit} the pages bring {len(strangers)} that are not in the whole list")
