"""Resources and settings of a tenant."""

from __future__ import annotations

from mt_paas.conformance.checks._people import pages
from mt_paas.conformance.registry import check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import ResourcePage

__all__: list[str] = []

_RESOURCES = [endpoint("resources")]
_ENOUGH = 20  # pages of one item each
_SHAPE = "a page of `{id, type, name, created_at, updated_at, metadata}`"


@check("resources.answer", needs=_RESOURCES, rule=_SHAPE)
async def resources_have_their_shape(t: Trial) -> None:
    """Resources have their members and types, each an id of its own."""
    seen: set[str] = set()
    async for page in pages(t, "resources", await t.shared()):
        for resource in page.model(ResourcePage).items:
            page.require(resource.updated_at >= resource.created_at, f"{resource.id} was updated before it was created")
            page.require(resource.id not in seen, f"{resource.id} is there more than once")
            seen.add(resource.id)


@check("resources.type", needs=_RESOURCES, rule="`GET …/resources?type=course|discussion|…&cursor=&limit=`")
async def type_narrows_the_list(t: Trial) -> None:
    """With a type only resources of that type come, and all of them."""
    tenant = await t.shared()
    types: list[str] = []
    async for page in pages(t, "resources", tenant, limit="500"):
        types += [resource.type for resource in page.model(ResourcePage).items]
    for kind in dict.fromkeys([*types, "course", "discussion"]):
        for limit in ("500", "1"):  # a type holds on the second page, too
            count = 0
            async for page in pages(t, "resources", tenant, limit=limit, type=kind):
                found = page.model(ResourcePage).items
                wrong = [resource for resource in found if resource.type != kind]
                page.require(not wrong, f"type={kind} brings {wrong[0].type if wrong else ''}")
                count += len(found)
                if count >= _ENOUGH and limit == "1":
                    break
            told = f"type={kind} brings {count}, and there are {types.count(kind)}"
            t.require(count == types.count(kind) or (limit == "1" and count >= _ENOUGH), told)


@check("resources.unknown_type", needs=_RESOURCES, rule="`GET …/resources?type=course|discussion|…&cursor=&limit=`")
async def a_type_that_nothing_has_brings_nothing(t: Trial) -> None:
    """A type that no resource has brings nothing, or is refused."""
    answer = await t.call("GET", "resources", await t.shared(), query={"type": "nothing-of-the-kind"})
    if answer.status == 200:
        answer.require(not answer.model(ResourcePage).items, "resources of another type came")
    else:
        answer.refuse((400, 422))
