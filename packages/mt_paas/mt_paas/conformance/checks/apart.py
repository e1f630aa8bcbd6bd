"""Tenants are kept apart, also in what version 2 shows of them; and what they have outlives a deactivation."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks._people import address, all_users, new_user, pages, user_of
from mt_paas.conformance.checks.settings import read_settings, write_settings
from mt_paas.conformance.registry import check, endpoint
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_APART = "each subscription becomes an isolated tenant: what is one tenant's is no other's"
_PRESERVED = "A deactivated tenant whose data is preserved is *re*activated with its data"


@check("isolation.users", needs=[endpoint("users")], rule=_APART)
async def users_are_of_their_tenant(t: Trial) -> None:
    """A user of one tenant is not among another's, and an address may be taken in both."""
    one, other, email = await t.shared("a"), await t.shared("b"), address()
    made = await new_user(t, one, email=email)
    t.require(
        email not in {user.get("email") for user in await all_users(t, other)}, "a user is in another tenant's list"
    )
    found = await all_users(t, other, q=email)
    t.require(not found, "q finds a user of another tenant")
    twin = await t.call("POST", "users", other, json={"email": email, "name": "Same address"})
    twin.expect(201)
    still = await user_of(t, one, made["id"])
    t.require(still.get("name") == made.get("name"), "a user changed when another tenant got one with the same address")


@check("isolation.user_ids", needs=[endpoint("users", "user")], rule="404 `user_not_found`")
async def user_ids_are_of_their_tenant(t: Trial) -> None:
    """A user is not to be changed or removed by way of another tenant."""
    one, other = await t.shared("a"), await t.shared("b")
    made = await new_user(t, one)
    for method, body in (("PUT", {"name": "Taken over"}), ("DELETE", None)):
        answer = await t.call(method, "user", other, user_id=made["id"], json=body)
        still = await user_of(t, one, made["id"])
        answer.require(still, "the user is gone from its own tenant")
        answer.require(still.get("name") == made.get("name"), "the user's name changed in its own tenant")
        if answer.status < 300:  # a service may give ids anew in each tenant: then the other tenant had one of its own
            t.skip("the other tenant has a user of the same id")
        answer.refuse(404, "user_not_found")


@check("isolation.cursors", needs=[endpoint("users")], rule=_APART)
async def cursors_are_of_their_tenant(t: Trial) -> None:
    """A cursor of one tenant's users never brings them to another tenant."""
    one, other = await t.shared("a"), await t.shared("b")
    theirs = {(await new_user(t, one))["email"] for _ in range(2)}
    first = (await t.call("GET", "users", one, query={"limit": "1"})).expect(200).object()
    if not isinstance(cursor := first.get("next_cursor"), str):
        t.fail("two users and a limit of 1, and there is no next_cursor")
    theirs |= {str(user.get("email")) for user in await all_users(t, one)}
    answer = await t.call("GET", "users", other, query={"cursor": cursor, "limit": "500"})
    if answer.status == 200:
        own = {user.get("email") for user in await all_users(t, other)}
        items = answer.object().get("items")
        leaked = [item for item in items or () if item.get("email") in theirs - own]
        answer.require(not leaked, f"{len(leaked)} users of another tenant came")
    else:
        answer.refused()


@check("isolation.resource_cursors", needs=[endpoint("resources")], rule=_APART)
async def cursors_of_resources_are_of_their_tenant(t: Trial) -> None:
    """A cursor of one tenant's resources never brings them to another tenant."""
    one, other = await t.shared("a"), await t.shared("b")
    first = (await t.call("GET", "resources", one, query={"limit": "1"})).expect(200).object()
    if not isinstance(cursor := first.get("next_cursor"), str):
        t.skip("a new tenant has fewer than two resources")
    own: set[Any] = set()
    async for page in pages(t, "resources", other, limit="500"):
        own |= {item.get("id") for item in page.object().get("items") or ()}
    answer = await t.call("GET", "resources", other, query={"cursor": cursor, "limit": "500"})
    if answer.status == 200:
        leaked = [item for item in answer.object().get("items") or () if item.get("id") not in own]
        answer.require(not leaked, f"{len(leaked)} resources of another tenant came")
    else:
        answer.refused()


@check("isolation.figures", needs=[endpoint("users")], rule=_APART)
async def figures_count_one_tenant(t: Trial) -> None:
    """What is done in one tenant changes no figure of another: no users and no costs."""
    async with t.lent() as one, t.lent() as other:
        before = await _figures(t, one)
        for _ in range(2):
            await new_user(t, other)
        after = await _figures(t, one)
        for name, value in before.items():
            t.require(after[name] == value, f"{name} was {value}, and is {after[name]} after another tenant got users")


async def _figures(t: Trial, tenant: Tenant) -> dict[str, Any]:
    users = (await t.state(tenant)).get("users")
    told = {"users.total of the status": users.get("total") if isinstance(users, dict) else users}
    for key, name in (("stats", "users"), ("stats_costs", "total")):
        if t.target.declares(key):
            answer = (await t.call("GET", key, tenant, query={"period": "monthly"})).expect(200)
            found = answer.object().get(name)
            told[f"{name} of {key}"] = found.get("total") if isinstance(found, dict) else found
    return told


@check("isolation.settings", needs=[endpoint("settings")], rule=_APART)
async def settings_are_of_their_tenant(t: Trial) -> None:
    """What is written to one tenant's settings is not read in another's."""
    other = await t.shared("b")
    async with t.lent() as one:
        before = await read_settings(t, other)
        await write_settings(t, one, await read_settings(t, one))
        after = await read_settings(t, other)
        t.require(after.settings == before.settings, "another tenant's settings changed too")
        t.require(after.etag == before.etag, "another tenant's ETag changed too")


@check("isolation.top_users", needs=[endpoint("users", "stats_top_users")], rule=_APART)
async def figures_are_of_their_tenant(t: Trial) -> None:
    """Users of one tenant are not among another's most active ones."""
    one, other = await t.shared("a"), await t.shared("b")
    made = await new_user(t, one)
    own = {user.get("id") for user in await all_users(t, other)}
    answer = (await t.call("GET", "stats_top_users", other, query={"period": "monthly", "limit": "500"})).expect(200)
    strangers = {item.get("user_id") for item in answer.object().get("items") or ()} - own
    answer.require(made["id"] not in strangers, "a user of another tenant is among the most active")


@check("lifecycle.users_survive", needs=[endpoint("users")], rule=_PRESERVED)
async def users_survive_a_deactivation(t: Trial) -> None:
    """Users are there again after a deactivation that preserves the data, and settings too."""
    async with t.lent() as tenant:
        made = await new_user(t, tenant)
        written: dict[str, Any] = {}
        if t.target.declares("settings"):
            _, written = await write_settings(t, tenant, await read_settings(t, tenant), or_skip=False)
        (await t.deactivate(tenant)).expect(200)
        (await t.activate(tenant)).expect(200)
        back = await user_of(t, tenant, made["id"])
        t.require(back, "a user is gone after a deactivation with preserve_data: true")
        changed = [
            name for name in ("email", "name", "role", "status", "created_at") if back.get(name) != made.get(name)
        ]
        t.require(not changed, f"the user's {', '.join(changed)} changed")
        if written:
            now = (await read_settings(t, tenant)).settings
            lost = [name for name, value in written.items() if now.get(name) != value]
            t.require(
                not lost, f"the settings {', '.join(lost)} are lost after a deactivation with preserve_data: true"
            )


@check("lifecycle.users_deleted", needs=[endpoint("users")], rule="`preserve_data`: false deletes the data")
async def users_do_not_survive_a_deletion(t: Trial) -> None:
    """After a deactivation that does not preserve the data, nothing of it comes back."""
    tenant = await t.tenant()
    made = await new_user(t, tenant)
    (await t.deactivate(tenant, preserve_data=False)).expect(200)
    again = await t.activate(tenant)
    if again.status == 200:
        back = {user.get("email") for user in await all_users(t, tenant)}
        again.require(made["email"] not in back, "a user is back although the data were not to be preserved")
    else:
        again.refuse((410, 409), ("tenant_purged", "tenant_already_exists", "operation_in_progress"))
