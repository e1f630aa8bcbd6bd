"""The list of a service's tenants, and its keys while they are changed."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks._people import pages
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


@check("inventory.pages", needs=_INVENTORY, rule="walking the pages gives every item once", phase=Phase.LATE)
async def walking_gives_every_tenant_once(t: Trial) -> None:
    """Walking the pages of tenants gives the shared ones once."""
    mine = {(await t.shared("a")).id, (await t.shared("b")).id}
    whole = await _listed(t, 500)
    walked = [item["tenant_id"] for item in await _listed(t, max(1, min(500, len(whole) // 4)))]
    wrong = {each: walked.count(each) for each in mine if walked.count(each) != 1}
    t.require(not wrong, f"tenants are there so many times: {wrong}")
    t.require(len(set(walked)) == len(walked), "walking the pages brings a tenant more than once")


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
