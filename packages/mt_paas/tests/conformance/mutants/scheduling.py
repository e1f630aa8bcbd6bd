"""Faults in scheduled deactivations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService

from mutants.planting import members, mending, mutant, succeeding

SCHEDULED = "a `deactivate_at` in the future answers `scheduled`; until then the tenant works"
UTC_RULE = "times are RFC 3339 in UTC"


def without_offset(body):
    if isinstance(body.get("deactivate_at"), str):
        body["deactivate_at"] = body["deactivate_at"][:19] + "Z"


@mutant("scheduling", SCHEDULED)
class DeactivateAtIsIgnored(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        return await super().deactivate_tenant(tenant_id, request.model_copy(update={"deactivate_at": None}))


@mutant("scheduling", SCHEDULED)
class AScheduleNeverComesDue(FakeService):
    def _settled(self, tenant_id):
        tenant = self.tenants.get(tenant_id)
        if tenant is not None and tenant.deactivate_at and tenant.deadline - tenant.deactivate_at == timedelta(days=90):
            asked_for_later = tenant.deadline - tenant.created_at > timedelta(days=90, seconds=1)
            if asked_for_later:
                return tenant
        return super()._settled(tenant_id)


@mutant("scheduling", SCHEDULED)
def a_scheduled_tenant_is_said_to_be_deactivated(service):
    members(service, "deactivate", status="deactivated")


@mutant("scheduling", SCHEDULED)
class AScheduledTenantIsClosedAtOnce(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request)
        if answer.status == "scheduled":
            self.tenants[tenant_id].state = TenantState.DEACTIVATED
        return answer


@mutant("scheduling", SCHEDULED)
class AScheduledTenantIsNotShownAnyMore(FakeService):
    async def get_tenant_status(self, tenant_id):
        status = await super().get_tenant_status(tenant_id)
        is_scheduled = self.tenants[tenant_id].deactivate_at is not None
        return status.model_copy(update={"status": TenantState.SUSPENDED}) if is_scheduled else status


@mutant("scheduling", SCHEDULED)
def the_past_is_scheduled_too(service):
    def change(said, call):
        if call.body.get("deactivate_at"):
            said.document = said.document | {"status": "scheduled"}

    succeeding(service, "deactivate", change)


@mutant("scheduling", UTC_RULE)
def the_offset_is_cut_off(service):
    mending(service, "deactivate", without_offset)


@mutant("scheduling", UTC_RULE)
def a_time_without_a_zone_is_taken(service):
    def mend(body):
        at = body.get("deactivate_at")
        if isinstance(at, str) and datetime.fromisoformat(at).tzinfo is None:
            body["deactivate_at"] = at + "Z"

    mending(service, "deactivate", mend)


@mutant("scheduling", "Deactivate is idempotent, and may be scheduled")
class AScheduleIsFinal(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        tenant = self.tenants.get(tenant_id)
        if tenant is not None and tenant.deactivate_at is not None and request.deactivate_at is None:
            request = request.model_copy(update={"deactivate_at": tenant.deactivate_at})
        return await super().deactivate_tenant(tenant_id, request)


@mutant("scheduling", SCHEDULED)
def data_end_before_the_tenant_does(service):
    def change(said, call):
        if call.body.get("deactivate_at") and said.document["status"] == "scheduled":
            soon = datetime.now(UTC) + timedelta(seconds=0.1)
            said.document = said.document | {"reactivation_deadline": soon.isoformat()}

    succeeding(service, "deactivate", change)
