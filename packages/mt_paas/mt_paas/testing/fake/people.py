"""Users and settings of a tenant in a fake service."""

from __future__ import annotations

from dataclasses import replace

from mt_paas.errors import UserAlreadyExists, UserNotFound, VersionConflict
from mt_paas.standard_api.handler import UserQuery
from mt_paas.standard_api.models import SettingsResponse, SettingsUpdate, User, UserCreate, UserPage, UserUpdate
from mt_paas.testing.fake.events import Events
from mt_paas.testing.fake.pages import page_of
from mt_paas.testing.fake.state import FakeTenant

__all__ = ["People"]


class People(Events):
    """The calls about who works in a tenant, and how it is set up."""

    async def list_users(self, tenant_id: str, query: UserQuery) -> UserPage:
        """Return a page of users, oldest first."""
        tenant = self.existing(tenant_id)
        wanted = query.q.casefold() if query.q else ""
        matching = [
            user
            for user in tenant.users.values()
            if (wanted in user.name.casefold() or wanted in user.email.casefold())
            and query.role in {None, user.role}
            and query.status in {None, user.status}
        ]
        items, next_cursor = page_of(matching, query, of=f"users of {tenant_id}", key=lambda user: user.id)
        return UserPage(items=list(items), next_cursor=next_cursor, total=len(matching))

    async def create_user(self, tenant_id: str, request: UserCreate) -> User:
        """Invite a user."""
        tenant = self.open(tenant_id)
        if self.user_of(tenant, request.email):
            raise UserAlreadyExists
        self.require_room(tenant)
        return self.add_user(tenant, request.email, request.name, request.role, active=False)

    async def update_user(self, tenant_id: str, user_id: str, request: UserUpdate) -> User:
        """Change what the request names of a user."""
        tenant = self.open(tenant_id)
        user = _user(tenant, user_id)
        tenant.users[user_id] = user.model_copy(update=request.model_dump(exclude_none=True))
        return tenant.users[user_id]

    async def delete_user(self, tenant_id: str, user_id: str) -> None:
        """Remove a user. What was used stays in the tenant's figures, and is nobody's from then on."""
        tenant = self.open(tenant_id)
        del tenant.users[_user(tenant, user_id).id]
        tenant.uses = [replace(use, user_id=None) if use.user_id == user_id else use for use in tenant.uses]

    async def get_settings(self, tenant_id: str) -> SettingsResponse:
        """Return a tenant's settings, and the limits that its plan sets."""
        tenant = self.existing(tenant_id)
        config = tenant.request.config
        limits = {"max_users": config.max_users, "storage_limit_gb": config.storage_limit_gb}
        return SettingsResponse(
            settings=tenant.settings,
            limits={name: limit for name, limit in limits.items() if limit is not None},
            version=str(tenant.settings_version),
        )

    async def update_settings(
        self, tenant_id: str, request: SettingsUpdate, expected_version: str | None
    ) -> SettingsResponse:
        """Replace a tenant's settings, if nobody did meanwhile."""
        tenant = self.open(tenant_id)
        if expected_version not in {None, str(tenant.settings_version)}:
            raise VersionConflict
        tenant.settings = request.settings
        tenant.settings_version += 1
        return await self.get_settings(tenant_id)


def _user(tenant: FakeTenant, user_id: str) -> User:
    if user_id not in tenant.users:
        raise UserNotFound
    return tenant.users[user_id]
