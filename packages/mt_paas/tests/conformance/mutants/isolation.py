"""Faults by which one tenant's is another's."""

from __future__ import annotations

from mt_paas.errors import UserAlreadyExists
from mt_paas.testing.doubles import FakeService

from mutants.planting import mutant

APART = "what is one tenant's is no other's"


@mutant("isolation", APART)
class ACursorLeadsToItsTenant(FakeService):
    """The tenant in the cursor counts, not the one in the path."""

    def __init__(self, **options):
        super().__init__(**options)
        self.given = {}

    async def list_users(self, tenant_id, query):
        tenant_id = self.given.get(query.cursor, tenant_id)
        page = await super().list_users(tenant_id, query)
        if page.next_cursor:
            self.given[page.next_cursor] = tenant_id
        return page


@mutant("isolation", APART)
class UsersOfAllTenantsAreListed(FakeService):
    async def list_users(self, tenant_id, query):
        page = await super().list_users(tenant_id, query)
        everybody = [user for tenant in self.tenants.values() for user in tenant.users.values()]
        return page.model_copy(update={"items": everybody[: query.limit], "total": len(everybody), "next_cursor": None})


@mutant("isolation", APART)
class AnAddressIsTakenInAllTenants(FakeService):
    async def create_user(self, tenant_id, request):
        if any(self.user_of(tenant, request.email) for tenant in self.tenants.values()):
            raise UserAlreadyExists
        return await super().create_user(tenant_id, request)


class Anywhere(FakeService):
    """A service that looks for users in all tenants."""

    def home_of(self, tenant_id, user_id):
        return next((name for name, tenant in self.tenants.items() if user_id in tenant.users), tenant_id)


@mutant("isolation", APART)
class UsersAreChangedByWayOfAnyTenant(Anywhere):
    async def update_user(self, tenant_id, user_id, request):
        return await super().update_user(self.home_of(tenant_id, user_id), user_id, request)


@mutant("isolation", APART)
class UsersAreDeletedByWayOfAnyTenant(Anywhere):
    async def delete_user(self, tenant_id, user_id):
        await super().delete_user(self.home_of(tenant_id, user_id), user_id)


@mutant("isolation", APART)
class SettingsAreShared(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        answer = await super().update_settings(tenant_id, request, expected_version)
        for tenant in self.tenants.values():
            tenant.settings = request.settings
        return answer


@mutant("isolation", APART)
class ADeactivationClosesTwo(FakeService):
    """With a tenant the one next to it is closed."""

    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request)
        for other in list(self.tenants):
            if other != tenant_id and answer.status == "deactivated":
                await super().deactivate_tenant(other, request.model_copy(update={"preserve_data": True}))
        return answer
