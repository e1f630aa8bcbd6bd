"""Faults in the deletion of a tenant, and in its receipt."""

from __future__ import annotations

from mt_paas.testing.doubles import FakeService, altering

from mutants.planting import GONE, members, mutant, plant, refusing, succeeding

PURGE = "`DELETE /mt/tenant/{tenant_id}`: … answers with a deletion receipt"
UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"


@mutant("purge", PURGE)
def a_deletion_has_no_receipt(service):
    def empty(said, call):
        said.status, said.body = 204, b""

    succeeding(service, "purge", empty)


@mutant("purge", PURGE)
def a_receipt_has_no_time(service):
    members(service, "purge", purged_at=GONE)


@mutant("purge", "times are RFC 3339 in UTC")
def a_receipt_has_a_time_without_a_zone(service):
    members(service, "purge", purged_at=lambda text: text.removesuffix("Z"))


@mutant("purge", PURGE)
def a_receipt_is_about_another_tenant(service):
    members(service, "purge", tenant_id="hallym_univ")


@mutant("purge", PURGE)
class APurgedTenantIsStillThere(FakeService):
    async def purge_tenant(self, tenant_id):
        tenant = self.tenants.get(tenant_id)
        receipt = await super().purge_tenant(tenant_id)
        if tenant is not None:
            self.tenants[tenant_id] = tenant
        return receipt


@mutant("purge", "410 `tenant_purged`")
class APurgedTenantCanComeBack(FakeService):
    async def activate_tenant(self, request):
        self.purged.pop(request.tenant_id, None)
        return await super().activate_tenant(request)


@mutant("purge", "410 `tenant_purged`")
def a_purged_tenant_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "gone"}

    refusing(service, change, "tenant_purged")


@mutant("purge", "410 `tenant_purged`")
def a_purged_tenant_is_409(service):
    refusing(service, lambda said: setattr(said, "status", 409), "tenant_purged")


@mutant("purge", UNKNOWN)
def there_is_a_receipt_for_anybody(service):
    def change(said, call):
        if said.status == 404:
            said.status = 200
            said.document = {"tenant_id": call.tenant_id, "purged_at": "2026-01-01T00:00:00Z"}

    plant(service, altering(change), "purge")


@mutant("purge", PURGE)
class APurgeBreaksTheSecondTime(FakeService):
    async def purge_tenant(self, tenant_id):
        if tenant_id in self.purged:
            raise RuntimeError(tenant_id)
        return await super().purge_tenant(tenant_id)
