"""The list of a service's tenants, and its keys while they are changed."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks._people import pages
from mt_paas.conformance.expect import time_of
from mt_paas.conformance.registry import Phase, check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import TenantPage

__all__: list[str] = []

_INVENTORY = [endpoint("inventory")]
_LIST = "`GET /mt/tenants?cursor=` … is the authoritative list that the market reconciles against"
_ROTATION = "Key rotation: a service accepts two keys during a rotation window"


async def _listed(t: Trial, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for page in pages(t, "inventory", "", limit=str(limit)):
        page.model(TenantPage)
        items = page.object()["items"]
        page.require(len(items) <= limit, f"{len(items)} tenants came, limit was {limit}")
        found += items
    return found


@check("inventory.lists", needs=_INVENTORY, rule=_LIST, phase=Phase.LATE)
async def every_tenant_is_listed_once(t: Trial) -> None:
    """Every tenant is in the list, once, with its state."""
    active, closed = await t.shared(), await t.tenant()
    (await t.deactivate(closed)).expect(200)
    listed = await _listed(t, 500)
    ids = [item["tenant_id"] for item in listed]
    for tenant, state in ((active, "active"), (closed, "deactivated")):
        t.require(ids.count(tenant.id) == 1, f"the tenant {tenant.id} is in the list {ids.count(tenant.id)} times")
        told = listed[ids.index(tenant.id)].get("status")
        t.require(told == state, f"the list says that {tenant.id} is {told!r}, expected {state!r}")
    t.require(len(set(ids)) == len(ids), "a tenant is in the list more than once")
    if t.target.declares("purge"):
        (await t.call("DELETE", "purge", closed)).expect(200)
        left = [item for item in await _listed(t, 500) if item["tenant_id"] == closed.id]
        t.require(
            all(item.get("status") == "deactivated" for item in left), f"{closed.id} is purged, and listed as open"
        )


@check("inventory.agrees", needs=_INVENTORY, rule=_LIST, phase=Phase.LATE)
async def the_list_says_what_the_status_says(t: Trial) -> None:
    """What the list tells of a tenant is what its status tells."""
    async with t.lent() as lent:
        is_suspended = t.target.declares("suspend") and t.target.declares("resume")
        if is_suspended:
            (await t.call("POST", "suspend", lent, json={"reason": "payment_overdue"})).expect(200)
        told = {item["tenant_id"]: item for item in await _listed(t, 500)}
        for tenant in (await t.shared(), lent):
            state, item = await t.state(tenant), told.get(tenant.id, {})
            for name in ("status", "plan", "created_at"):
                same = item.get(name) == state.get(name) or (name != "status" and item.get(name) is None)
                if name == "created_at" and not same:
                    same = time_of(item.get(name)) == time_of(state.get(name))
                t.require(
                    same, f"the list says {name} {item.get(name)!r} of {tenant.id}, its status {state.get(name)!r}"
                )
        if is_suspended:
            (await t.call("POST", "resume", lent)).expect(200)


@check("inventory.pages", needs=_INVENTORY, rule="walking the pages gives every item once", phase=Phase.LATE)
async def walking_gives_every_tenant_once(t: Trial) -> None:
    """Walking the pages of tenants gives the shared ones once."""
    mine = {(await t.shared("a")).id, (await t.shared("b")).id}
    whole = await _listed(t, 500)
    walked = [item["tenant_id"] for item in await _listed(t, max(1, min(500, len(whole) // 4)))]
    wrong = {each: walked.count(each) for each in mine if walked.count(each) != 1}
    t.require(not wrong, f"tenants are there so many times: {wrong}")
    t.require(len(set(walked)) == len(walked), "walking the pages brings a tenant more than once")
    one = (await t.call("GET", "inventory", query={"limit": "1"})).expect(200)
    total = one.object().get("total")
    one.require(total is None or total >= len(mine), f"total is {total}, and there are at least {len(mine)} tenants")


@check("rotation.second_key", rule=_ROTATION)
async def two_keys_are_accepted(t: Trial) -> None:
    """While keys are changed, the old one and the new one are accepted everywhere."""
    if t.run.second_key is None:
        t.skip("needs the second key: run with --second-key")
    tenant = await t.shared()
    for name in ("tenant_status", "usage_report", "stats", "users", "resources", "settings", "inventory"):
        if t.target.declares(name):
            about = tenant if t.target.names_tenant(name) else ""
            for key in (t.run.key, t.run.second_key):
                (await t.call("GET", name, about, key=key)).expect(200)
    async with t.lent() as lent:
        for key in (t.run.key, t.run.second_key):  # a call that writes, and here changes nothing
            (await t.activate(lent, key=key)).expect(200)
