"""The calls of version 2: figures, users, resources and settings of a tenant."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from mt_paas.standard_api.client.caller import Caller
from mt_paas.standard_api.client.lifecycle import period_of
from mt_paas.standard_api.client.walking import MAX_WALKED, fault_of_page, walk
from mt_paas.standard_api.models import (
    Costs,
    Resource,
    ResourcePage,
    SettingsResponse,
    SettingsUpdate,
    Stats,
    TenantPage,
    TopUsers,
    User,
    UserCreate,
    UserPage,
    UserStatus,
    UserUpdate,
)
from mt_paas.standard_api.reply import Reply

__all__ = ["DashboardCalls", "PagedCalls"]

_ETAG = re.compile(r'"[\x21\x23-\x7e]{0,200}"')

AnyPage = TypeVar("AnyPage", UserPage, ResourcePage, TenantPage)


class PagedCalls(Caller):
    """Reading lists a page at a time."""

    async def _page(
        self,
        model: type[AnyPage],
        endpoint: str,
        *,
        tenant_id: str | None = None,
        cursor: str | None,
        limit: int | None,
        **filters: str | None,
    ) -> AnyPage:
        query = {"cursor": cursor, "limit": None if limit is None else str(limit), **filters}
        given = {name: value for name, value in query.items() if value is not None}
        if tenant_id is None:
            reply = await self._ask("GET", endpoint, query=given)
        else:
            reply = await self._ask("GET", endpoint, tenant_id=tenant_id, query=given)
        page = reply.read(model)
        if fault := fault_of_page(page, limit):
            raise reply.invalid(fault)
        return page


class DashboardCalls(PagedCalls):
    """Figures, users, resources and settings.

    Each raises ``NotImplementedByService`` when the manifest names no such call. A list is read a page at a time, or
    walked to its end, which gives every item once and ends whatever the service answers.
    """

    async def stats(self, tenant_id: str, period: str = "monthly") -> Stats:
        """Ask for the figures of a dashboard in ``period`` (as for ``usage``)."""
        return await self._call(
            Stats,
            "GET",
            "stats",
            tenant_id=tenant_id,
            query={"period": period},
            expected={"tenant_id": tenant_id, **period_of(period)},
        )

    async def costs(self, tenant_id: str, period: str = "monthly") -> Costs:
        """Ask what the tenant cost in ``period``, by model, by feature and by day."""
        return await self._call(
            Costs,
            "GET",
            "stats_costs",
            tenant_id=tenant_id,
            query={"period": period},
            expected={"tenant_id": tenant_id, **period_of(period)},
        )

    async def top_users(self, tenant_id: str, period: str = "monthly", *, limit: int = 10) -> TopUsers:
        """Ask for the ``limit`` most active users of ``period``, most active first."""
        query = {"period": period, "limit": str(limit)}
        reply = await self._ask("GET", "stats_top_users", tenant_id=tenant_id, query=query)
        answer = reply.read(TopUsers)
        if len(answer.items) > limit:
            raise reply.invalid(f"items: {len(answer.items)} came, and {limit} at most were asked for")
        return answer

    async def users(
        self,
        tenant_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        q: str | None = None,
        role: str | None = None,
        status: UserStatus | None = None,
    ) -> UserPage:
        """Ask for a page of the tenant's users: the first, or the one that ``cursor`` names.

        ``q`` is part of a name or an address. ``limit`` is 1 to 500.
        """
        return await self._page(
            UserPage, "users", tenant_id=tenant_id, cursor=cursor, limit=limit, q=q, role=role, status=status
        )

    def walk_users(
        self,
        tenant_id: str,
        *,
        limit: int | None = None,
        q: str | None = None,
        role: str | None = None,
        status: UserStatus | None = None,
        at_most: int = MAX_WALKED,
    ) -> AsyncIterator[User]:
        """Yield all the tenant's users, ``limit`` a page. Raises ``ServiceAnswerInvalid`` past ``at_most``."""

        async def page(cursor: str | None) -> UserPage:
            return await self.users(tenant_id, cursor=cursor, limit=limit, q=q, role=role, status=status)

        return walk(page, lambda user: user.id, f"The users of {tenant_id}", at_most)

    async def create_user(self, tenant_id: str, request: UserCreate, *, idempotency_key: str | None = None) -> User:
        """Add a user. Refused with ``user_already_exists``, and with ``user_limit_reached`` at the plan's limit."""
        reply = await self._ask("POST", "users", tenant_id=tenant_id, body=request, idempotency_key=idempotency_key)
        user = reply.read(User, status=201)
        if user.email.casefold() != request.email.casefold():
            raise reply.invalid("email: it is about another address than the one that was sent")
        return user

    async def update_user(self, tenant_id: str, user_id: str, request: UserUpdate) -> User:
        """Change what ``request`` names of a user, and return the user as it is then."""
        return await self._call(
            User, "PUT", "user", tenant_id=tenant_id, user_id=user_id, body=request, expected={"id": user_id}
        )

    async def delete_user(self, tenant_id: str, user_id: str) -> None:
        """Remove a user. Refused with ``user_not_found`` when there is none (any more)."""
        (await self._ask("DELETE", "user", tenant_id=tenant_id, user_id=user_id)).read_nothing()

    async def resources(
        self, tenant_id: str, *, resource_type: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> ResourcePage:
        """Ask for a page of what the tenant's users made or work with; of one type, such as ``course``."""
        return await self._page(
            ResourcePage, "resources", tenant_id=tenant_id, cursor=cursor, limit=limit, type=resource_type
        )

    def walk_resources(
        self, tenant_id: str, *, resource_type: str | None = None, limit: int | None = None, at_most: int = MAX_WALKED
    ) -> AsyncIterator[Resource]:
        """Yield all the tenant's resources, ``limit`` a page. Raises ``ServiceAnswerInvalid`` past ``at_most``."""

        async def page(cursor: str | None) -> ResourcePage:
            return await self.resources(tenant_id, resource_type=resource_type, cursor=cursor, limit=limit)

        return walk(page, lambda resource: resource.id, f"The resources of {tenant_id}", at_most)

    async def settings(self, tenant_id: str) -> SettingsResponse:
        """Ask for the tenant's settings and limits. ``etag`` of the answer is what a write names."""
        return _settings(await self._ask("GET", "settings", tenant_id=tenant_id))

    async def update_settings(self, tenant_id: str, settings: dict[str, Any], *, if_match: str) -> SettingsResponse:
        """Replace the settings, if they still are those of the ``etag`` ``if_match`` (``*``: whatever they are).

        Refused with ``version_conflict`` when they were changed meanwhile.
        """
        if if_match != "*" and not _ETAG.fullmatch(if_match):
            raise ValueError('if_match is an entity tag in its quotes, such as "7", or *')
        reply = await self._ask(
            "PUT",
            "settings",
            tenant_id=tenant_id,
            body=SettingsUpdate(settings=settings),
            headers={"If-Match": if_match},
        )
        return _settings(reply)


def _settings(reply: Reply) -> SettingsResponse:
    answer = reply.read(SettingsResponse)
    if not _ETAG.fullmatch(answer.etag):
        raise reply.invalid("version: it can not be an entity tag")
    tag = reply.headers.get("etag", answer.etag).strip().removeprefix("W/")  # a proxy that compresses weakens it
    if tag != answer.etag:
        raise reply.invalid(f"ETag: it is {tag}, and version says {answer.etag}")
    return answer
