"""Commands that ask: usage, and what version 2 has for a dashboard; and those that change users and settings."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from mt_paas.simulator.commands.grammar import CommandError, Words, checked, value_of
from mt_paas.simulator.commands.registry import IN, Reply, command
from mt_paas.simulator.commands.session import Session
from mt_paas.standard_api.client import StandardAPIClient
from mt_paas.standard_api.models import ContractModel, SettingsResponse, User, UserCreate, UserUpdate

__all__: list[str] = []


@command("usage TENANT [PERIOD]", needs="usage_report", states=IN.there)
async def usage(session: Session, words: Words) -> Reply:
    """Ask what a tenant used: daily, monthly, 2026-01 or 2026-01-03."""
    tenant_id, period = words.word("TENANT"), words.word("PERIOD", "monthly")
    words.finish()
    answer = (await session.market.ask("usage", lambda client: client.usage(tenant_id, period), tenant_id)).answer
    figures = answer.usage.model_dump(exclude_none=True)
    told = ", ".join(f"{name} {value:g}" for name, value in figures.items()) or "no figures"
    return Reply(f"{answer.period}: {told}", answer.model_dump(mode="json", exclude_none=True))


@command("stats TENANT [PERIOD]", needs="stats", states=IN.there)
async def stats(session: Session, words: Words) -> Reply:
    """Ask for the figures of a dashboard."""
    tenant_id, period = words.word("TENANT"), words.word("PERIOD", "monthly")
    words.finish()
    answer = (await session.market.ask("stats", lambda client: client.stats(tenant_id, period), tenant_id)).answer
    text = (
        f"{answer.period}: {answer.users.total} users, {len(answer.series)} days, {len(answer.top_resources)} resources"
    )
    return Reply(text, answer.model_dump(mode="json", exclude_none=True))


@command("costs TENANT [PERIOD]", needs="stats_costs", states=IN.there)
async def costs(session: Session, words: Words) -> Reply:
    """Ask what a tenant cost."""
    tenant_id, period = words.word("TENANT"), words.word("PERIOD", "monthly")
    words.finish()
    answer = (await session.market.ask("costs", lambda client: client.costs(tenant_id, period), tenant_id)).answer
    return Reply(
        f"{answer.period}: {answer.total:f} {answer.currency}", answer.model_dump(mode="json", exclude_none=True)
    )


@command("top TENANT [PERIOD] [limit=10]", needs="stats_top_users", states=IN.there)
async def top(session: Session, words: Words) -> Reply:
    """Ask for the most active users."""
    tenant_id, period = words.word("TENANT"), words.word("PERIOD", "monthly")
    limit = value_of(words.option("limit") or "10")
    words.finish()
    if not isinstance(limit, int) or limit < 1:
        raise CommandError("limit is a whole number from 1 to 500")

    async def send(client: StandardAPIClient) -> ContractModel:
        return await client.top_users(tenant_id, period, limit=limit)

    answer = (await session.market.ask("top", send, tenant_id)).answer.model_dump(mode="json", exclude_none=True)
    lines = [f"{item['activity']:>10g}  {item['name']}" for item in answer["items"]]
    return Reply("\n".join(lines) or "nobody was active", answer)


@command("users TENANT [q=…] [role=…] [status=…]", needs="users", states=IN.there)
async def users(session: Session, words: Words) -> Reply:
    """List a tenant's users, page by page to the end."""
    tenant_id = words.word("TENANT")
    filters: dict[str, Any] = {name: words.option(name) for name in ("q", "role", "status")}
    words.finish()

    async def send(client: StandardAPIClient) -> list[User]:
        return [user async for user in client.walk_users(tenant_id, **filters)]

    found = (await session.market.ask("users", send, tenant_id)).answer
    lines = [f"{user.id}  {user.email}  {user.role}  {user.status}" for user in found]
    answer = {"items": [user.model_dump(mode="json", exclude_none=True) for user in found], "total": len(found)}
    return Reply("\n".join(lines) or "no users", answer)


@command("user-add TENANT EMAIL [name=…] [role=…]", needs="users", states=IN.active)
async def user_add(session: Session, words: Words) -> Reply:
    """Add a user."""
    tenant_id, email = words.word("TENANT"), words.word("EMAIL")
    fields = {"email": email, "name": words.option("name"), "role": words.option("role")}
    words.finish()
    request, key = checked(UserCreate, _given(fields)), str(uuid4())

    async def send(client: StandardAPIClient) -> User:
        return await client.create_user(tenant_id, request, idempotency_key=key)

    return _user((await session.market.ask("user-add", send, tenant_id)).answer)


@command("user-set TENANT USER_ID [name=…] [role=…] [status=…]", needs="user", states=IN.active)
async def user_set(session: Session, words: Words) -> Reply:
    """Change what is named of a user."""
    tenant_id, user_id = words.word("TENANT"), words.word("USER_ID")
    fields = {name: words.option(name) for name in ("name", "role", "status")}
    words.finish()
    request = checked(UserUpdate, _given(fields))

    async def send(client: StandardAPIClient) -> User:
        return await client.update_user(tenant_id, user_id, request)

    return _user((await session.market.ask("user-set", send, tenant_id)).answer)


@command("user-remove TENANT USER_ID", needs="user", states=IN.active)
async def user_remove(session: Session, words: Words) -> Reply:
    """Remove a user."""
    tenant_id, user_id = words.word("TENANT"), words.word("USER_ID")
    words.finish()

    async def send(client: StandardAPIClient) -> None:
        await client.delete_user(tenant_id, user_id)

    await session.market.ask("user-remove", send, tenant_id)
    return Reply(f"{user_id} removed")


@command("resources TENANT [TYPE]", needs="resources", states=IN.there)
async def resources(session: Session, words: Words) -> Reply:
    """List what the users of a tenant made or work with."""
    tenant_id, kind = words.word("TENANT"), words.maybe()
    words.finish()

    async def send(client: StandardAPIClient) -> list[dict[str, Any]]:
        walk = client.walk_resources(tenant_id, resource_type=kind)
        return [item.model_dump(mode="json") async for item in walk]

    found = (await session.market.ask("resources", send, tenant_id)).answer
    lines = [f"{item['type']}  {item['id']}  {item['name']}" for item in found]
    return Reply("\n".join(lines) or "no resources", {"items": found})


@command("settings TENANT [NAME=VALUE …]", needs="settings", states=IN.there)
async def settings(session: Session, words: Words) -> Reply:
    """Show a tenant's settings; with names and values, change these and keep the others."""
    tenant_id = words.word("TENANT")
    changes = {name: value_of(value) for name, value in words.options.items()}
    words.options.clear()
    words.finish()

    async def read(client: StandardAPIClient) -> SettingsResponse:
        return await client.settings(tenant_id)

    answer = (await session.market.ask("settings", read, tenant_id)).answer
    if changes:
        wanted, tag = answer.settings | changes, answer.etag

        async def write(client: StandardAPIClient) -> SettingsResponse:
            return await client.update_settings(tenant_id, wanted, if_match=tag)

        answer = (await session.market.ask("settings", write, tenant_id)).answer
    lines = [f"{name} = {value}" for name, value in answer.settings.items()]
    return Reply("\n".join([*lines, f"version {answer.version}"]), answer.model_dump(mode="json"))


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _user(user: User) -> Reply:
    return Reply(
        f"{user.id}  {user.email}  {user.role}  {user.status}", user.model_dump(mode="json", exclude_none=True)
    )
