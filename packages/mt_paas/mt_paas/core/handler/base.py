"""What the calls of a ``ManagedTenantHandler`` share: its parts, and the hooks that a service overrides.

Each hook has a right answer for a service that knows nothing more, so that a service overrides what is its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.access import SetupLinks
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.manager import TenantManager
from mt_paas.core.notices import Notices
from mt_paas.core.schemas import Tenant
from mt_paas.core.usage import UsageMeters
from mt_paas.core.users import Users
from mt_paas.errors import TenantNotFound, UserLimitReached
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.handler import StandardAPIHandler
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import EventType, StatsPoint, TenantState, TopResource, TopUser, UserFigures

__all__ = ["STATES", "HandlerOptions", "ManagedBase"]

#: What the market calls a state; all others are ``deactivated``.
STATES = {
    TenantStatus.ACTIVE: TenantState.ACTIVE,
    TenantStatus.UPDATING: TenantState.ACTIVE,
    TenantStatus.SUSPENDED: TenantState.SUSPENDED,
}


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a handler is told by the settings of its service."""

    setup_link_lifetime: timedelta = timedelta(days=3)
    session_lifetime: timedelta = timedelta(hours=12)
    export_lifetime: timedelta = timedelta(hours=1)
    export_folder: Path = Path(".mt_paas/exports")
    async_after: float | None = 10.0
    event_addresses: AddressPolicy | None = None
    meters: UsageMeters | None = None


class ManagedBase(StandardAPIHandler):
    """The handler's parts and hooks. ``manifest`` says where the service is reached, and which plans it has."""

    #: Where the users are: the library's own table, unless a service points to one of its own.
    users = Users()

    def __init__(self, manager: TenantManager, manifest: Manifest, options: HandlerOptions | None = None) -> None:
        self.manager = manager
        self.manifest = manifest
        self.options = options or HandlerOptions()
        self.service_version = manifest.service.version
        self.notices = Notices(manager, self.options.event_addresses)
        self.links = SetupLinks(manager, manifest.endpoints.base_url, self.options.setup_link_lifetime)

    # What only the service knows. ``session`` sees the tenant's database and no other; periods are resolved, in UTC.

    async def count_users(self, session: AsyncSession) -> UserFigures:
        """Count the tenant's users."""
        return await self.users.figures(session, self.manager.clock())

    async def count_usage(self, session: AsyncSession, period: str) -> dict[str, float]:
        """Return figures for ``period`` beside what was counted, by their names; how many resources there are, if any.

        A figure here goes before a meter of the same name.
        """
        resources = self.select_resources()
        if resources is None:
            return {}
        return {"resources": await session.scalar(select(func.count()).select_from(resources.subquery())) or 0}

    async def count_series(self, session: AsyncSession, period: str) -> list[StatsPoint]:
        """Return the figures of each day of ``period``, in order."""
        return []

    async def count_top_resources(self, session: AsyncSession, period: str) -> list[TopResource]:
        """Return what was used most in ``period``, most used first."""
        return []

    async def count_costs(self, session: AsyncSession, period: str) -> dict[str, Any]:
        """Return what the tenant cost in ``period``: the members of ``Costs``, of which ``total`` is 0 if left out."""
        return {}

    async def count_top_users(self, session: AsyncSession, period: str, limit: int) -> list[TopUser]:
        """Return up to ``limit`` users, most active in ``period`` first."""
        return []

    def select_resources(self) -> Select[Any] | None:
        """Return the query of all resources, with the columns id, type, name, created_at, updated_at and metadata.

        The last two may be left out. Filter, order and pages are the handler's.
        """
        return None

    async def check_settings(self, tenant: Tenant, settings: Mapping[str, Any]) -> None:
        """Accept settings that are about to be written, or raise :class:`~mt_paas.errors.InvalidBody`."""

    # What the calls stand on

    def limits_of(self, tenant: Tenant) -> dict[str, Any]:
        """Return the tenant's limits: those of its plan, and where its configuration says another, that one."""
        plan = self.manifest.plans.get(tenant.plan)
        limits = dict(plan.limits) if plan is not None else {}
        config = tenant.profile.config
        for name in {"max_users", "storage_limit_gb", *limits}:
            if config.get(name) is not None:
                limits[name] = config[name]
        return limits

    def max_users_of(self, tenant: Tenant) -> int | None:
        """Return how many users the tenant may have; null is any number."""
        limit = self.limits_of(tenant).get("max_users")
        return limit if isinstance(limit, int) and not isinstance(limit, bool) else None

    async def limit_reached(self, tenant_id: str, error: UserLimitReached) -> None:
        """Tell the market that the tenant is at a limit of its plan, if it said where to and events are offered."""
        if "events" in self.manifest.extensions:
            self.notices.tell(
                tenant_id, EventType.LIMIT_REACHED, {"limit": "max_users", "value": error.details["max_users"]}
            )

    async def known(self, tenant_id: str) -> Tenant:
        """Return a tenant that is there for the market. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        tenant = await self.manager.get_tenant(tenant_id)
        if not tenant.is_known:
            raise TenantNotFound(f"This service has no tenant {tenant_id}.")
        return tenant

    @asynccontextmanager
    async def at_work(self, tenant_id: str) -> AsyncIterator[tuple[Tenant, AsyncSession]]:
        """Open the database of a tenant that is active or suspended.

        Raises :class:`~mt_paas.errors.TenantNotFound` and :class:`~mt_paas.errors.TenantNotActive`.
        """
        tenant = await self.known(tenant_id)
        async with self.manager.visit(tenant) as session:
            yield tenant, session

    def home_of(self, tenant_id: str) -> str:
        """Return the address where the tenant's users enter."""
        if self.manifest.endpoints.user_access is None:
            return self.manifest.endpoints.base_url
        return self.manifest.url("user_access", tenant_id)

    def state_of(self, tenant: Tenant) -> TenantState:
        """Return what the market calls the tenant's state."""
        return STATES.get(tenant.status_at(self.manager.clock()), TenantState.DEACTIVATED)
