"""Faults by which tenants run into one another: ids that are nearly the same, keys of calls, figures, links."""

from __future__ import annotations

from mt_paas.errors import TenantAlreadyExists
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService

from mutants.planting import asking, mutant, plant

APART = "what is one tenant's is no other's"
SAME = "The same request again (same `Idempotency-Key`, or an equal body for an active tenant) answers 200"
OTHER = "A different body for an active tenant answers 409 `tenant_already_exists`"


class Alike(FakeService):
    """A service that takes some ids for one."""

    def is_alike(self, one, other):
        return False

    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request)
        for other in [each for each in self.tenants if each != tenant_id and self.is_alike(tenant_id, each)]:
            await super().deactivate_tenant(other, request)
        return answer


@mutant("isolation.alike", APART)
class DashesAreUnderscores(Alike):
    def is_alike(self, one, other):
        return one.replace("-", "_") == other.replace("-", "_")


@mutant("isolation.alike", APART)
class SixtyCharactersAreAnId(Alike):
    def is_alike(self, one, other):
        return one[:60] == other[:60]


@mutant("isolation.alike", APART)
class ADeactivationIsOfAllThatBeginSo(Alike):
    def is_alike(self, one, other):
        return other.startswith(one)


@mutant("isolation.alike_users", APART)
class DashesAreUnderscoresForUsers(FakeService):
    async def create_user(self, tenant_id, request):
        user = await super().create_user(tenant_id, request)
        for other, tenant in self.tenants.items():
            if other.replace("-", "_") == tenant_id.replace("-", "_"):
                tenant.users[user.id] = user
        return user


@mutant("isolation.path", APART)
def a_deactivation_is_of_whom_the_body_names(service):
    async def behave(call):
        body = call.recorded.body
        named = body.get("tenant_id") if isinstance(body, dict) else None
        known = isinstance(named, str) and named in service.tenants
        await (asking(call, path=f"/mt/tenant/{named}/deactivate") if known else call).proceed()

    plant(service, behave, "deactivate")


@mutant("isolation.figures", APART)
class CostsAreThoseOfAllTenants(FakeService):
    async def get_tenant_costs(self, tenant_id, period):
        tenant = self.existing(tenant_id)
        own, tenant.uses = tenant.uses, [use for each in self.tenants.values() for use in each.uses]
        try:
            return await super().get_tenant_costs(tenant_id, period)
        finally:
            tenant.uses = own


def _counting_everybody(name):
    """Plant a mutant in which one answer counts the users of all tenants."""

    class Counting(FakeService):
        def counted(self, answer):
            everybody = sum(len(tenant.users) for tenant in self.tenants.values())
            return answer.model_copy(update={"users": answer.users.model_copy(update={"total": everybody})})

    async def get(self, *asked):
        return self.counted(await getattr(FakeService, name)(self, *asked))

    setattr(Counting, name, get)
    Counting.__name__ = f"{name}_counts_everybody"
    mutant("isolation.figures", APART)(Counting)


_counting_everybody("get_tenant_status")
_counting_everybody("get_tenant_stats")


@mutant("isolation.resource_cursors", APART)
class ACursorOfResourcesLeadsToItsTenant(FakeService):
    def __init__(self, **options):
        super().__init__(**options)
        self.given = {}

    async def list_resources(self, tenant_id, query):
        tenant_id = self.given.get(query.cursor, tenant_id)
        page = await super().list_resources(tenant_id, query)
        if page.next_cursor:
            self.given[page.next_cursor] = tenant_id
        return page


@mutant("lifecycle.setup_link_own", "`admin_credentials` carries a one-time set-up link")
class OneSetUpLinkForEverybody(FakeService):
    only = None

    def set_up_link(self, tenant_id):
        self.only = self.only or super().set_up_link(tenant_id)
        return self.only


class Remembering(FakeService):
    """A service that remembers the first activation of each tenant."""

    def __init__(self, **options):
        super().__init__(**options)
        self.firsts, self.by_key = {}, {}

    def is_active(self, tenant_id):
        tenant = self._settled(tenant_id)
        return tenant is not None and tenant.state is TenantState.ACTIVE


@mutant("idempotency.key_other_tenant", SAME)
class AKeyIsAnsweredToWhoeverSendsIt(Remembering):
    async def activate_tenant(self, request):
        key = call_context().idempotency_key
        if key is not None and key in self.by_key:
            return self.by_key[key]
        answer = await super().activate_tenant(request)
        if key is not None:
            self.by_key[key] = answer
        return answer


@mutant("idempotency.key_other_body", OTHER)
class AnotherBodyWithTheKeyIsTaken(FakeService):
    async def activate_tenant(self, request):
        tenant, key = self.tenants.get(request.tenant_id), call_context().idempotency_key
        if tenant is not None and key is not None and tenant.idempotency_key == key:
            tenant.request = request
        return await super().activate_tenant(request)


@mutant("idempotency.after_return", OTHER)
class TheFirstBodyCountsForEver(Remembering):
    async def activate_tenant(self, request):
        if self.is_active(request.tenant_id) and self.firsts.get(request.tenant_id) == request:
            return self.tenants[request.tenant_id].answer
        answer = await super().activate_tenant(request)
        self.firsts.setdefault(request.tenant_id, request)
        return answer


@mutant("idempotency.after_return", SAME)
class OnlyTheFirstBodyCounts(Remembering):
    async def activate_tenant(self, request):
        if self.is_active(request.tenant_id) and self.firsts.get(request.tenant_id, request) != request:
            raise TenantAlreadyExists
        answer = await super().activate_tenant(request)
        self.firsts.setdefault(request.tenant_id, request)
        return answer


def _uncompared(member):
    """Plant a mutant that does not compare one member of two activations."""

    class Uncompared(FakeService):
        async def activate_tenant(self, request):
            tenant = self._settled(request.tenant_id)
            if tenant is not None and tenant.state is TenantState.ACTIVE:
                request = request.model_copy(update={member: getattr(tenant.request, member)})
            return await super().activate_tenant(request)

    Uncompared.__name__ = f"{member}_is_not_compared"
    mutant("idempotency.different_body", OTHER)(Uncompared)


for _member in ("features", "config", "admin"):
    _uncompared(_member)
