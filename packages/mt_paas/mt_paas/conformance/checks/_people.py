"""Users for checks: an address that nobody has, a user with it, and the whole list, however many pages it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from mt_paas.conformance.expect import Answer
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial

__all__ = ["MAX_PAGES", "NO_LIMITS", "ODD_TEXTS", "address", "all_users", "new_user", "pages", "user_of"]

MAX_PAGES = 200
#: What is no limit of a list: it is a whole number from 1 to 500.
NO_LIMITS = ("0", "-1", "501", "1000", "9" * 30, "abc", "1.5")
#: A zero, half a surrogate pair, and more than a column is likely to hold: told as JSON escapes, all are valid JSON.
ODD_TEXTS = ("zero \0", "half \ud83d", "long " + "x" * 10_000)


def address() -> str:
    """Return an e-mail address that nobody has, at a domain that nobody can have (RFC 2606)."""
    return f"u{uuid4().hex[:16]}@mtpaas-test.example"


async def new_user(t: Trial, tenant: Tenant, **given: Any) -> dict[str, Any]:
    """Make a user and return it as it was answered."""
    body = {"email": address(), "name": f"Test {uuid4().hex[:8]}", **given}
    answer = (await t.call("POST", "users", tenant, json=body)).expect(201)
    user = answer.object()
    answer.require(isinstance(user.get("id"), str) and user["id"], "the user has no id")
    return user


async def pages(t: Trial, endpoint: str, tenant: Tenant | str, **query: str) -> AsyncIterator[Answer]:
    """Walk all pages of a list; raise ``Violation`` when they lead in a circle, and skip when they are too many."""
    cursor: str | None = None
    seen: set[str] = set()
    items = 0
    ids: set[Any] = set()
    while True:
        asked = query if cursor is None else {**query, "cursor": cursor}
        answer = (await t.call("GET", endpoint, tenant, query=asked)).expect(200)
        yield answer
        members = answer.object()
        listed = members.get("items")
        page = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        items += len(page)
        ids |= {str(each.get("id") or each.get("tenant_id")) for each in page}
        cursor = members.get("next_cursor")
        if cursor is None:
            return
        answer.require(isinstance(cursor, str) and cursor, f"next_cursor is {cursor!r}, not a text, null or absent")
        answer.require(cursor not in seen, "the pages do not end: a cursor leads back")
        seen.add(cursor)
        if len(seen) >= MAX_PAGES:
            answer.require(len(ids) == items > MAX_PAGES // 2, "the pages do not end: they bring nothing new")
            t.skip(f"the list has more than {MAX_PAGES} pages")


async def all_users(t: Trial, tenant: Tenant, **query: str) -> list[dict[str, Any]]:
    """Return all users of the tenant who match."""
    users: list[dict[str, Any]] = []
    async for page in pages(t, "users", tenant, limit="500", **query):
        items = page.object().get("items")
        page.require(isinstance(items, list), "items is no list")
        users += [item for item in items or () if isinstance(item, dict)]
    return users


async def user_of(t: Trial, tenant: Tenant, user_id: str) -> dict[str, Any]:
    """Return the user with this id as the list has it; empty if the list does not have it."""
    return next((user for user in await all_users(t, tenant) if user.get("id") == user_id), {})
