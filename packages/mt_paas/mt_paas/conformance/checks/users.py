"""Users of a tenant: made, found, changed and removed; each address once, and no more than the plan allows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from mt_paas.conformance.checks._people import ODD_TEXTS, address, all_users, new_user, user_of
from mt_paas.conformance.expect import password_members
from mt_paas.conformance.registry import SHOULD, check, endpoint
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import User, UserPage

__all__: list[str] = []

_USERS = endpoint("users")
_USER = endpoint("users", "user")
_SHAPE = "a user is `{id, email, name, role, status: active|invited|disabled, created_at, last_active_at?}`"
_CHANGE = "`PUT …/users/{user_id}` (any of `name, role, status`)"
_INVALID = "A body that is not valid: 422 `invalid_body`"
_UNKNOWN = "404 `user_not_found`"


@check("users.create", needs=[_USERS], rule="`POST …/users` `{email, name?, role?}`: 201")
async def a_user_is_made(t: Trial) -> None:
    """A new user is answered with 201, as it was asked for."""
    tenant, email = await t.shared(), address()
    answer = (await t.call("POST", "users", tenant, json={"email": email, "name": "Kim Hana"})).expect(201)
    user = answer.model(User, name="Kim Hana")
    answer.require(user.email.lower() == email, f"email is {user.email!r}, expected {email!r}")
    answer.require(not list(password_members(answer.object())), "a password is in the answer")
    answer.require(user.status != "disabled", "a new user is active or invited, not disabled")
    answer.require(
        abs(user.created_at - datetime.now(UTC)) < timedelta(minutes=5),
        "created_at is not the time at which it was made",
    )


@check("users.create_role", needs=[_USERS], rule="`POST …/users` `{email, name?, role?}`: 201")
async def a_user_has_the_role_that_was_asked_for(t: Trial) -> None:
    """A new user has the role that was asked for, if the service knows it."""
    tenant = await t.shared()
    known = (await new_user(t, tenant)).get("role")
    for role in dict.fromkeys([known, "teacher", "admin"]):
        answer = await t.call("POST", "users", tenant, json={"email": address(), "name": "Kim", "role": role})
        if answer.status not in {400, 403, 422}:
            answer.expect(201).model(User, role=role)


@check("users.create_minimal", needs=[_USERS], rule="`POST …/users` `{email, name?, role?}`")
async def an_address_is_enough(t: Trial) -> None:
    """An address is all that a new user needs."""
    (await t.call("POST", "users", await t.shared(), json={"email": address()})).expect(201)


@check("users.ids", needs=[_USERS], rule=_SHAPE)
async def ids_are_unique(t: Trial) -> None:
    """Two users have two ids."""
    tenant = await t.shared()
    first, second = await asyncio.gather(new_user(t, tenant), new_user(t, tenant))
    t.require(first["id"] != second["id"], f"both users have the id {first['id']!r}")


@check("users.list", needs=[_USERS], rule="a page: `{items[], next_cursor, total}`; " + _SHAPE)
async def a_made_user_is_in_the_list(t: Trial) -> None:
    """A user that was made is in the list, with the same members."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    answer = (await t.call("GET", "users", tenant, query={"limit": "500"})).expect(200)
    answer.model(UserPage)
    found = [user for user in await all_users(t, tenant) if user.get("id") == made["id"]]
    answer.require(len(found) == 1, f"the user {made['id']} is there {len(found)} times")
    for name in ("email", "name", "role", "status", "created_at"):
        answer.require(
            found[0].get(name) == made.get(name),
            f"{name} is {found[0].get(name)!r}, was {made.get(name)!r} when it was made",
        )


@check("users.update", needs=[_USER], rule=_CHANGE + ": 200")
async def a_change_changes_what_it_names(t: Trial) -> None:
    """A change of one member changes that one, and lasts."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    for change in ({"name": "Lee Duri"}, {"status": "disabled"}, {"status": "active"}):
        answer = (await t.call("PUT", "user", tenant, user_id=made["id"], json=change)).expect(200)
        changed = answer.model(User, **change).model_dump(mode="json", exclude={"last_active_at"})
        made = {name: made.get(name) for name in changed} | change
        other = next(
            (name for name, value in made.items() if name not in change and answer.object().get(name) != value), ""
        )
        answer.require(not other, f"{other} changed too, to {changed.get(other)!r}")
        listed = await user_of(t, tenant, made["id"])
        name, value = next(iter(change.items()))
        t.require(
            listed.get(name) == value, f"the list still says {name} {listed.get(name)!r}, after it became {value!r}"
        )


@check("users.update_together", needs=[_USER], rule=_CHANGE)
async def a_change_may_name_several_members(t: Trial) -> None:
    """A change of several members changes all of them."""
    tenant = await t.shared("b")
    made, change = await new_user(t, tenant), {"name": "Lee Duri", "status": "disabled"}
    answer = (await t.call("PUT", "user", tenant, user_id=made["id"], json=change)).expect(200)
    answer.model(User, **change)
    listed = await user_of(t, tenant, made["id"])
    for name, value in change.items():
        t.require(listed.get(name) == value, f"the list says {name} {listed.get(name)!r}, after it became {value!r}")


@check("users.update_others", needs=[_USER], rule=_CHANGE)
async def a_change_leaves_other_members_alone(t: Trial) -> None:
    """The id of a user and when it was made are not to be changed."""
    tenant = await t.shared("b")
    made = await new_user(t, tenant)
    wrong = {"name": "Lee Duri", "id": "u-conformance-test", "created_at": "2020-01-01T00:00:00Z"}
    answer = await t.call("PUT", "user", tenant, user_id=made["id"], json=wrong)
    if answer.status != 200:
        answer.refuse((400, 422))
    listed = await user_of(t, tenant, made["id"])
    t.require(listed, "the user has another id now")
    t.require(listed.get("created_at") == made.get("created_at"), "created_at of the user is another one now")


@check("users.names", needs=[_USERS], rule="JSON is snake_case, UTF-8; " + _SHAPE)
async def a_name_is_kept_letter_by_letter(t: Trial) -> None:
    """A name of any letters and signs is answered, listed and found as it was written."""
    tenant, word = await t.shared("b"), f"한글{uuid4().hex[:8]}"
    for name in (f"{word} 김하나", f'{word} <b>&amp;</b> O\'Neil "é" %_', f"{word} 🚀"):
        answer = await t.call("POST", "users", tenant, json={"email": address(), "name": name})
        if answer.status in {400, 422}:
            continue  # a service may have a rule of its own for names
        answer.expect(201).model(User, name=name)
        found = [user.get("name") for user in await all_users(t, tenant, q=word)]
        t.require(name in found, f"q={word} finds {found}, and not {name!r}")


@check("users.update_role", needs=[_USER], rule=_CHANGE)
async def a_role_can_be_changed(t: Trial) -> None:
    """A role that the service takes is the user's role from then on."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    for role in ("teacher", "admin", "member"):
        answer = await t.call("PUT", "user", tenant, user_id=made["id"], json={"role": role})
        if answer.status in {400, 403, 422}:
            continue  # the service has roles of its own
        answer.expect(200).model(User, role=role, name=made["name"])
        listed = await user_of(t, tenant, made["id"])
        t.require(
            listed.get("role") == role, f"the list still says role {listed.get('role')!r}, after it became {role!r}"
        )


@check("users.unknown", needs=[_USER], rule=_UNKNOWN)
async def an_unknown_user_is_not_found(t: Trial) -> None:
    """Changing or removing a user who is not there is refused as 404 user_not_found."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    unknown = made["id"][:-4] + uuid4().hex[: max(len(made["id"][-4:]), 4)] if not made["id"].isdigit() else "987654321"
    (await t.call("PUT", "user", tenant, user_id=unknown, json={"name": "Nobody"})).refuse(404, "user_not_found")
    (await t.call("DELETE", "user", tenant, user_id=unknown)).refuse(404, "user_not_found")


@check("users.hostile_ids", needs=[_USER], rule=_UNKNOWN)
async def an_odd_user_id_is_refused(t: Trial) -> None:
    """A user id that nobody has, however odd, is refused and breaks nothing."""
    tenant = await t.shared()
    for odd in ("' OR '1'='1", "%", "..", "a" * 300, "-1", "한글", "\x00"):
        for method, body in (("PUT", {"name": "Nobody"}), ("DELETE", None)):
            answer = await t.call(method, "user", tenant, user_id=odd, json=body)
            answer.refused()


@check("users.delete", needs=[_USER], rule="`DELETE …/users/{user_id}`: 204")
async def a_removed_user_is_gone(t: Trial) -> None:
    """A removed user is answered with 204 and no body, and is gone."""
    tenant = await t.shared()
    made, stays = await new_user(t, tenant), await new_user(t, tenant)
    answer = (await t.call("DELETE", "user", tenant, user_id=made["id"])).expect(204)
    answer.require(not answer.body, "an answer 204 has no body")
    ids = {user.get("id") for user in await all_users(t, tenant)}
    t.require(made["id"] not in ids, f"the user {made['id']} is still in the list")
    t.require(stays["id"] in ids, f"another user, {stays['id']}, is gone too")
    (await t.call("PUT", "user", tenant, user_id=made["id"], json={"name": "Ghost"})).refuse(404, "user_not_found")
    (await t.call("DELETE", "user", tenant, user_id=made["id"])).refuse(404, "user_not_found")


@check("users.address_again", needs=[_USER], rule="`DELETE …/users/{user_id}`: 204")
async def an_address_is_free_again(t: Trial) -> None:
    """The address of a removed user can be taken again."""
    tenant = await t.shared("b")
    made = await new_user(t, tenant)
    (await t.call("DELETE", "user", tenant, user_id=made["id"])).expect(204)
    (await t.call("POST", "users", tenant, json={"email": made["email"], "name": "Again"})).expect(201)


@check("users.duplicate", needs=[_USERS], rule="409 `user_already_exists`")
async def an_address_is_taken_once(t: Trial) -> None:
    """A second user with the same address is refused, and the first one stays as it was."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    (await t.call("POST", "users", tenant, json={"email": made["email"], "name": "Second"})).refuse(
        409, "user_already_exists"
    )
    same = [user for user in await all_users(t, tenant) if user.get("email") == made["email"]]
    t.require(len(same) == 1, f"{len(same)} users have the address {made['email']}")
    t.require(same[0].get("name") == made["name"], "the refused call changed the user's name")


@check("users.duplicate_case", level=SHOULD, needs=[_USERS], rule="409 `user_already_exists`")
async def an_address_is_the_same_in_capitals(t: Trial) -> None:
    """The same address in capitals is the same address."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    (await t.call("POST", "users", tenant, json={"email": made["email"].upper()})).refuse(409, "user_already_exists")


@check("users.duplicate_at_once", needs=[_USERS], rule="409 `user_already_exists`")
async def of_two_at_once_one_is_made(t: Trial) -> None:
    """Of several calls at once with one address, exactly one makes a user."""
    tenant, email = await t.shared(), address()
    answers = await asyncio.gather(
        *(t.call("POST", "users", tenant, json={"email": email, "name": "Twin"}) for _ in range(4))
    )
    made = [answer for answer in answers if answer.status == 201]
    for answer in answers:
        if answer.status != 201:
            answer.refuse(409, ("user_already_exists", "operation_in_progress"))
    answers[0].require(len(made) == 1, f"{len(made)} of 4 calls with the same address made a user")


@check("users.invalid_body", needs=[_USERS], rule=_INVALID)
async def a_body_that_is_not_valid_is_refused(t: Trial) -> None:
    """A new user without an address, or with a wrong one, is refused, and none is made."""
    tenant, name = await t.shared(), f"bad-{uuid4().hex}"
    bodies: tuple[Any, ...] = (
        *({}, {"name": name}, {"email": None, "name": name}, {"email": 7, "name": name}, [], "user"),
        *({"email": each, "name": name} for each in ("", "not-an-address", "a@", "@b.kr", "a b@c.kr", ["a@b.kr"])),
        {"email": address(), "name": 7},
        {"email": address(), "role": {"name": "teacher"}},
    )
    for body in bodies:
        (await t.call("POST", "users", tenant, json=body)).refuse(422, "invalid_body")
    (await t.call("POST", "users", tenant, content=b'{"email": ')).refuse(422, "invalid_body")
    t.require(
        name not in {user.get("name") for user in await all_users(t, tenant)}, "a refused user was made all the same"
    )


@check("users.odd_values", needs=[_USERS], rule="Models are strict about types and values")
async def odd_names_break_nothing(t: Trial) -> None:
    """Names that no database stores, or that are very long, break nothing."""
    tenant = await t.shared()
    for name in ODD_TEXTS:
        answer = await t.call("POST", "users", tenant, json={"email": address(), "name": name})
        answer.require(answer.status == 201 or 400 <= answer.status < 500, "expected 201, or a refusal (4xx)")


@check("users.invalid_update", needs=[_USER], rule=_INVALID)
async def a_change_that_is_not_valid_is_refused(t: Trial) -> None:
    """A change to a state that does not exist, or of the wrong type, is refused and changes nothing."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    bodies: tuple[Any, ...] = ({"status": "unknown"}, {"status": True}, {"name": 7}, {"role": ["x"]}, [], "disabled")
    for body in bodies:
        (await t.call("PUT", "user", tenant, user_id=made["id"], json=body)).refuse(422, "invalid_body")
    listed = await user_of(t, tenant, made["id"])
    changed = [name for name in ("name", "role", "status") if listed.get(name) != made.get(name)]
    t.require(not changed, f"a refused change changed {', '.join(changed)}")


@check("users.limit", needs=[_USER], rule="403 `user_limit_reached` (`config.max_users`)")
async def no_more_users_than_allowed(t: Trial) -> None:
    """At max_users another user is refused and not made; one that is removed makes room."""
    allowed = 3
    tenant = await t.tenant(config={"max_users": allowed})
    there = len(await all_users(t, tenant))
    made = [await new_user(t, tenant) for _ in range(allowed - there)]
    refused = await t.call("POST", "users", tenant, json={"email": address(), "name": "One too many"})
    refused.refuse(403, "user_limit_reached")
    now = await all_users(t, tenant)
    refused.require(len(now) == allowed, f"{len(now)} users are there, max_users is {allowed}")
    if made:
        (await t.call("DELETE", "user", tenant, user_id=made[0]["id"])).expect(204)
        await new_user(t, tenant)


@check("users.limit_at_once", needs=[_USERS], rule="403 `user_limit_reached` (`config.max_users`)")
async def no_more_users_at_once_either(t: Trial) -> None:
    """Of several calls at once, no more make a user than there is room for."""
    allowed = 3
    tenant = await t.tenant(config={"max_users": allowed})
    there = len(await all_users(t, tenant))
    bodies = [{"email": address(), "name": "At once"} for _ in range(allowed + 2)]
    answers = await asyncio.gather(*(t.call("POST", "users", tenant, json=body) for body in bodies))
    for answer in answers:
        if answer.status != 201:
            answer.refuse((403, 409), ("user_limit_reached", "operation_in_progress"))
    now = len(await all_users(t, tenant))
    answers[0].require(now <= max(allowed, there), f"{now} users are there, max_users is {allowed}")


@check("users.filter_q", needs=[_USERS], rule="`GET …/users?cursor=&limit=&q=&role=&status=`")
async def q_finds_users(t: Trial) -> None:
    """With q only users come whose name or address has it."""
    tenant, word = await t.shared(), f"q{uuid4().hex[:10]}"
    by_name = await new_user(t, tenant, name=f"Hong {word}")
    by_mail = await new_user(t, tenant, email=f"{word}@mtpaas-test.example")
    await new_user(t, tenant)
    found = {user.get("id") for user in await all_users(t, tenant, q=word)}
    t.require(found, f"q={word} finds neither the name nor the address that has it")
    strangers = found - {by_name["id"], by_mail["id"]}
    t.require(not strangers, f"q={word} brings {len(strangers)} users who do not have it")
    nobody = await t.call("GET", "users", tenant, query={"q": f"{word}-nobody"})
    page = nobody.expect(200).model(UserPage)
    nobody.require(not page.items, "q brings users who do not have it")
    nobody.require(page.total == 0, f"total is {page.total}, and no user has this q")


@check("users.filter_status", needs=[_USER], rule="`GET …/users?cursor=&limit=&q=&role=&status=`")
async def status_narrows_the_list(t: Trial) -> None:
    """With a status only users of that status come, and all of them."""
    tenant = await t.shared()
    off, on = await new_user(t, tenant), await new_user(t, tenant)
    (await t.call("PUT", "user", tenant, user_id=off["id"], json={"status": "disabled"})).expect(200)
    disabled = await all_users(t, tenant, status="disabled")
    t.require(off["id"] in {user.get("id") for user in disabled}, "a disabled user is not among the disabled ones")
    t.require(all(user.get("status") == "disabled" for user in disabled), "status=disabled brings users who are not")
    others = {user.get("id") for user in await all_users(t, tenant, status=on["status"])}
    t.require(off["id"] not in others, f"status={on['status']} brings a disabled user")
    t.require(on["id"] in others, f"status={on['status']} leaves out a user of that status")
    answer = await t.call("GET", "users", tenant, query={"status": "nonsense"})
    if answer.status == 200:
        answer.require(not answer.model(UserPage).items, "status=nonsense brings users")
    else:
        answer.refuse((400, 422))


@check("users.filter_role", needs=[_USERS], rule="`GET …/users?cursor=&limit=&q=&role=&status=`")
async def role_narrows_the_list(t: Trial) -> None:
    """With a role only users of that role come, and all of them."""
    tenant = await t.shared()
    made = await new_user(t, tenant)
    same = await all_users(t, tenant, role=made["role"])
    t.require(made["id"] in {user.get("id") for user in same}, f"role={made['role']} leaves out a user of that role")
    t.require(
        all(user.get("role") == made["role"] for user in same), f"role={made['role']} brings users of another role"
    )
    answer = await t.call("GET", "users", tenant, query={"role": f"nobody-{uuid4().hex[:6]}"})
    if answer.status == 200:
        answer.require(not answer.model(UserPage).items, "a role that nobody has brings users")
    else:
        answer.refuse((400, 422))


@check("users.filters_together", needs=[_USER], rule="`GET …/users?cursor=&limit=&q=&role=&status=`")
async def filters_hold_together(t: Trial) -> None:
    """With several filters only users come who match all of them."""
    tenant, word = await t.shared("b"), f"f{uuid4().hex[:10]}"
    off, on = await new_user(t, tenant, name=f"{word} off"), await new_user(t, tenant, name=f"{word} on")
    (await t.call("PUT", "user", tenant, user_id=off["id"], json={"status": "disabled"})).expect(200)
    for status, wanted in (("disabled", off), (on["status"], on)):
        found = {user.get("id") for user in await all_users(t, tenant, q=word, status=status)}
        t.require(found == {wanted["id"]}, f"q={word}&status={status} brings {len(found)} users, expected one of two")


@check("users.total", needs=[_USER], rule="a page: `{items[], next_cursor, total}`")
async def total_counts_all_that_match(t: Trial) -> None:
    """The total counts everybody who matches, on whatever page they are."""
    tenant, word = await t.shared(), f"t{uuid4().hex[:10]}"
    users = [await new_user(t, tenant, name=f"{word} {index}") for index in range(3)]
    expected = len(users)
    for leave in (True, False):
        answer = (await t.call("GET", "users", tenant, query={"q": word, "limit": "1"})).expect(200)
        total = answer.model(UserPage).total
        answer.require(total == expected, f"total is {total}, and {expected} users match")
        if leave:
            (await t.call("DELETE", "user", tenant, user_id=users[0]["id"])).expect(204)
            expected -= 1
