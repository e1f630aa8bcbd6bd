"""The users and the settings of the tenant that is bound, for the service's own routes: the market's calls, unnamed."""

from __future__ import annotations

from typing import Any

from mt_paas.core.for_tenant import tenant_id_or_bound
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.standard_api.handler import UserQuery
from mt_paas.standard_api.models import SettingsResponse, SettingsUpdate, User, UserCreate, UserPage, UserUpdate

__all__ = ["OwnSettings", "OwnUsers"]

_FIRST_PAGE = UserQuery()


class OwnUsers:
    """The users of the tenant that is bound, as ``handler`` answers the market; limits of the plan hold here too."""

    def __init__(self, handler: ManagedTenantHandler) -> None:
        self._handler = handler

    async def page(self, query: UserQuery = _FIRST_PAGE) -> UserPage:
        """Return a page of users, oldest first."""
        return await self._handler.list_users(tenant_id_or_bound(None), query)

    async def find(self, email: str) -> User | None:
        """Return the user with this address, in whatever letter case, or null."""
        async with self._handler.at_work(tenant_id_or_bound(None)) as (_, session):
            return await self._handler.users.find(session, email)

    async def add(self, email: str, *, name: str | None = None, role: str | None = None) -> User:
        """Add a user, ``invited``.

        Raises :class:`~mt_paas.errors.UserAlreadyExists` and :class:`~mt_paas.errors.UserLimitReached`.
        """
        return await self._handler.create_user(tenant_id_or_bound(None), UserCreate(email=email, name=name, role=role))

    async def change(self, user_id: str, changes: UserUpdate) -> User:
        """Change what ``changes`` name; who is disabled is logged out. Raises ``UserNotFound``."""
        return await self._handler.update_user(tenant_id_or_bound(None), user_id, changes)

    async def remove(self, user_id: str) -> None:
        """Remove a user, logged out. Raises :class:`~mt_paas.errors.UserNotFound`."""
        await self._handler.delete_user(tenant_id_or_bound(None), user_id)


class OwnSettings:
    """The settings of the tenant that is bound, as ``handler`` answers the market."""

    def __init__(self, handler: ManagedTenantHandler) -> None:
        self._handler = handler

    async def read(self) -> SettingsResponse:
        """Return the settings, with their version and the tenant's limits."""
        return await self._handler.get_settings(tenant_id_or_bound(None))

    async def write(self, settings: dict[str, Any], *, expected_version: str | None = None) -> SettingsResponse:
        """Replace the settings, if their version is still the expected one.

        Raises :class:`~mt_paas.errors.VersionConflict`, and what ``check_settings`` of the handler raises.
        """
        return await self._handler.update_settings(
            tenant_id_or_bound(None), SettingsUpdate(settings=settings), expected_version
        )
