"""Faults in who may be added: an address twice, and more users than there is room for."""

from __future__ import annotations

import asyncio

from mt_paas.errors import UserAlreadyExists, UserLimitReached
from mt_paas.testing.doubles import FakeService

from mutants.planting import mutant, refusing

UNIQUE = "409 `user_already_exists`"
LIMIT = "403 `user_limit_reached` (`config.max_users`)"


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
class TheSameAddressTwice(FakeService):
    async def create_user(self, tenant_id, request):
        tenant = self.open(tenant_id)
        self.require_room(tenant)
        return self.add_user(tenant, request.email, request.name, request.role, active=False)


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
class TheSameAddressReplacesTheFirst(FakeService):
    async def create_user(self, tenant_id, request):
        tenant = self.open(tenant_id)
        if user := self.user_of(tenant, request.email):
            tenant.users.pop(user.id)
        return await super().create_user(tenant_id, request)


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
class TheSameAddressGetsTheFirst(FakeService):
    async def create_user(self, tenant_id, request):
        user = self.user_of(self.open(tenant_id), request.email)
        return user or await super().create_user(tenant_id, request)


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
class TheSameAddressTwiceAtOnce(FakeService):
    async def create_user(self, tenant_id, request):
        tenant = self.open(tenant_id)
        if self.user_of(tenant, request.email):
            raise UserAlreadyExists
        await asyncio.sleep(0.05)
        self.require_room(tenant)
        return self.add_user(tenant, request.email, request.name, request.role, active=False)


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
def the_same_address_is_422(service):
    refusing(service, lambda said: setattr(said, "status", 422), "user_already_exists")


@mutant("users.duplicate users.duplicate_at_once", UNIQUE)
def the_same_address_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "duplicate_email"}

    refusing(service, change, "user_already_exists")


class Roomy(FakeService):
    """A service in which a tenant has room for some users more or less."""

    more = 0

    def require_room(self, tenant):
        most = tenant.request.config.max_users
        if most is not None and len(tenant.users) >= most + self.more:
            raise UserLimitReached


@mutant("users.limit", LIMIT)
class OneUserTooMany(Roomy):
    more = 1


@mutant("users.limit", LIMIT)
class MaxUsersIsIgnored(Roomy):
    more = 10_000


@mutant("users.limit", LIMIT)
class AtTheLimitTheUserIsMadeAllTheSame(FakeService):
    async def create_user(self, tenant_id, request):
        try:
            return await super().create_user(tenant_id, request)
        except UserLimitReached:
            self.add_user(self.tenants[tenant_id], request.email, request.name, request.role, active=False)
            raise


@mutant("users.limit", LIMIT)
class DeletedUsersTakeUpRoom(FakeService):
    def __init__(self, **options):
        super().__init__(**options)
        self.made = {}

    async def create_user(self, tenant_id, request):
        tenant = self.open(tenant_id)
        most = tenant.request.config.max_users
        if most is not None and self.made.get(tenant_id, 1) >= most:
            raise UserLimitReached
        user = await super().create_user(tenant_id, request)
        self.made[tenant_id] = self.made.get(tenant_id, 1) + 1
        return user


@mutant("users.limit", LIMIT)
def the_limit_is_409(service):
    refusing(service, lambda said: setattr(said, "status", 409), "user_limit_reached")


@mutant("users.limit", LIMIT)
def the_limit_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "forbidden"}

    refusing(service, change, "user_limit_reached")
