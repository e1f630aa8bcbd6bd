"""Version 2 of the Standard API: figures, users, resources and settings, each from the tenant's own database."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, cast, literal, null, select, tuple_
from sqlalchemy.types import DateTime, Text

from mt_paas.core.handler.base import ManagedBase
from mt_paas.core.pages import ROOM, read_page, size_of
from mt_paas.core.settings_store import read_settings, write_settings
from mt_paas.errors import InvalidQuery, UserLimitReached
from mt_paas.standard_api.handler import ResourceQuery, UserQuery
from mt_paas.standard_api.models import (
    Costs,
    Resource,
    ResourcePage,
    SettingsResponse,
    SettingsUpdate,
    Stats,
    TopUsers,
    User,
    UserCreate,
    UserPage,
    UserUpdate,
)

__all__ = ["DashboardCalls"]

_SHOWN = 1000  # characters of a resource's name


class DashboardCalls(ManagedBase):
    """The calls of version 2. A tenant that is suspended is shown as well; one that is deactivated is not."""

    async def get_tenant_stats(self, tenant_id: str, period: str) -> Stats:
        """Report users, and what the service counts besides."""
        async with self.at_work(tenant_id) as (_, session):
            return Stats(
                tenant_id=tenant_id,
                period=period,
                users=await self.count_users(session),
                series=await self.count_series(session, period),
                top_resources=await self.count_top_resources(session, period),
            )

    async def get_tenant_costs(self, tenant_id: str, period: str) -> Costs:
        """Report what the service counts as costs, in the currency of the tenant's plan unless it says another."""
        async with self.at_work(tenant_id) as (tenant, session):
            counted = await self.count_costs(session, period)
        facts = {"currency": self._currency(tenant.plan), "total": Decimal(0), **counted}
        return Costs.model_validate({**facts, "tenant_id": tenant_id, "period": period})

    async def get_top_users(self, tenant_id: str, period: str, limit: int) -> TopUsers:
        """Report whom the service counts as most active."""
        async with self.at_work(tenant_id) as (_, session):
            items = await self.count_top_users(session, period, limit)
        return TopUsers(items=sorted(items, key=lambda user: user.activity, reverse=True)[:limit])

    async def list_users(self, tenant_id: str, query: UserQuery) -> UserPage:
        """Return a page of users, oldest first."""
        async with self.at_work(tenant_id) as (_, session):
            return await self.users.page(session, tenant_id, query, self.manager.cursors)

    async def create_user(self, tenant_id: str, request: UserCreate) -> User:
        """Add a user, ``invited``. The limit is asked for when nobody else can add one or change the plan meanwhile."""
        try:
            async with self.at_work(tenant_id) as (_, session):
                await self.users.hold(session)
                limit = self.max_users_of(await self.known(tenant_id))
                return await self.users.add(session, request, limit=limit, now=self.manager.clock())
        except UserLimitReached as error:
            await self.limit_reached(tenant_id, error)
            raise

    async def update_user(self, tenant_id: str, user_id: str, request: UserUpdate) -> User:
        """Change what ``request`` names; who is disabled is logged out."""
        async with self.at_work(tenant_id) as (_, session):
            return await self.users.change(session, user_id, request)

    async def delete_user(self, tenant_id: str, user_id: str) -> None:
        """Remove a user, logged out."""
        async with self.at_work(tenant_id) as (_, session):
            await self.users.remove(session, user_id)

    async def list_resources(self, tenant_id: str, query: ResourceQuery) -> ResourcePage:
        """Return a page of what ``select_resources`` finds, oldest first."""
        if query.type is not None and "\0" in query.type:
            raise InvalidQuery("The type holds the character U+0000, which no type has.")
        async with self.at_work(tenant_id) as (_, session):
            every = self.select_resources()
            scope = ("resources", tenant_id, query.type)
            after = self.manager.cursors.decode(scope, query.cursor) if query.cursor is not None else None
            if every is None:
                return ResourcePage(items=[], total=0)
            found = every.subquery().c
            key = cast(found.id, Text)
            wanted = select(
                key.label("id"),
                found.type,
                found.name,
                found.created_at,
                found.get("updated_at", found.created_at).label("updated_at"),
                found.get("metadata", null()).label("metadata"),
            )
            wanted = wanted.order_by(found.created_at, key)
            if query.type is not None:
                wanted = wanted.where(found.type == query.type)
            if after is not None:
                moment = literal(datetime.fromisoformat(after[0]), DateTime(timezone=True))
                wanted = wanted.where(tuple_(found.created_at, key) > tuple_(moment, literal(after[1], Text)))
            items, last = await read_page(session, wanted, query.limit, _resource)
        cursor = self.manager.cursors.encode(scope, last.created_at.isoformat(), last.id) if last is not None else None
        return ResourcePage(items=items, next_cursor=cursor)

    async def get_settings(self, tenant_id: str) -> SettingsResponse:
        """Return the tenant's settings, and its limits."""
        async with self.at_work(tenant_id) as (tenant, session):
            settings, version = await read_settings(session)
        return SettingsResponse(settings=settings, limits=self.limits_of(tenant), version=version)

    async def update_settings(
        self, tenant_id: str, request: SettingsUpdate, expected_version: str | None
    ) -> SettingsResponse:
        """Replace the settings if nobody else did meanwhile."""
        async with self.at_work(tenant_id) as (tenant, session):
            await self.check_settings(tenant, request.settings)
            version = await write_settings(session, request.settings, expected_version, self.manager.clock())
        return SettingsResponse(settings=request.settings, limits=self.limits_of(tenant), version=version)

    def _currency(self, plan: str) -> str:
        prices = [known.price for name, known in self.manifest.plans.items() if name == plan]
        return next((price.currency for price in prices if price is not None and price.currency), "KRW")


def _resource(row: Row[Any]) -> Resource:
    """Return what is shown of a resource: of a name the beginning, and no metadata that no answer can hold."""
    facts = row._asdict()
    resource = Resource.model_validate({**facts, "name": facts["name"][:_SHOWN], "metadata": facts["metadata"] or {}})
    size = size_of(resource)
    return resource if size <= ROOM else resource.model_copy(update={"metadata": {"left_out_bytes": size}})
