"""Faults in a change of plan and in a suspension."""

from __future__ import annotations

from datetime import timedelta

from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import Call, FakeService
from mt_paas.utils.security import digest_token

from mutants.planting import instead, members, mending, mutant, plant, refusing

PLAN = "`POST …/plan {plan, features, config}` → 200 or 202; 422 `plan_change_not_allowed`"
SUSPEND = "`POST …/suspend {reason}`, `POST …/resume`: blocked for users, data untouched"
UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"
INVALID = "A body that is not valid: 422 `invalid_body`"


@mutant("plan_change", PLAN)
class APlanIsSaidToBeChanged(FakeService):
    async def change_plan(self, tenant_id, request):
        before = self.existing(tenant_id).request
        answer = await super().change_plan(tenant_id, request)
        self.tenants[tenant_id].request = before
        return answer


@mutant("plan_change", PLAN)
class AChangeOfPlanLosesUsers(FakeService):
    async def change_plan(self, tenant_id, request):
        answer = await super().change_plan(tenant_id, request)
        self.tenants[tenant_id].users.clear()
        return answer


@mutant("plan_change", PLAN)
class AChangeOfPlanIsABirthday(FakeService):
    async def change_plan(self, tenant_id, request):
        answer = await super().change_plan(tenant_id, request)
        self.tenants[tenant_id].created_at += timedelta(seconds=1)
        return answer


@mutant("plan_change", PLAN)
def a_change_of_plan_names_the_old_one(service):
    members(service, "plan", plan="basic")


@mutant("plan_change", "a plan the service does not have: 422 `invalid_plan`")
def any_plan_can_be_changed_to(service):
    def mend(body):
        if isinstance(body.get("plan"), str) and body["plan"] not in service.plans:
            body["plan"] = service.plans[0]

    mending(service, "plan", mend)


@mutant("plan_change", INVALID)
def a_change_needs_no_plan(service):
    mending(service, "plan", lambda body: body.setdefault("plan", "basic"))


@mutant("plan_change errors", UNKNOWN)
def the_plan_of_an_unknown_tenant_is_changed(service):
    def change(said):
        said.status, said.document = 200, {"tenant_id": "x-x", "plan": "basic"}

    refusing(service, change, "tenant_not_found", "plan")


@mutant("suspend", SUSPEND)
def a_suspended_tenant_is_shown_as_active(service):
    members(service, "status", status=lambda state: "active" if state == "suspended" else state)


@mutant("suspend", SUSPEND)
def a_suspended_tenant_is_shown_as_deactivated(service):
    members(service, "status", status=lambda state: "deactivated" if state == "suspended" else state)


@mutant("suspend", SUSPEND)
class ASuspensionLosesUsers(FakeService):
    async def suspend_tenant(self, tenant_id, request):
        answer = await super().suspend_tenant(tenant_id, request)
        self.tenants[tenant_id].users.clear()
        return answer


@mutant("suspend", SUSPEND)
class AResumedTenantStaysSuspended(FakeService):
    async def resume_tenant(self, tenant_id):
        answer = await super().resume_tenant(tenant_id)
        self.tenants[tenant_id].state = TenantState.SUSPENDED
        return answer


@mutant("suspend", SUSPEND)
def a_suspension_says_ok(service):
    members(service, "suspend", status="ok")


@mutant("suspend", SUSPEND)
def a_resumed_tenant_is_said_to_be_suspended(service):
    members(service, "resume", status="suspended")


@mutant("suspend", SUSPEND)
class ASuspendedTenantCanBeEntered(FakeService):
    async def create_sso_link(self, tenant_id, request):
        tenant = self.existing(tenant_id)
        state, tenant.state = tenant.state, TenantState.ACTIVE
        try:
            return await super().create_sso_link(tenant_id, request)
        finally:
            tenant.state = state

    def opened(self, kind, token):
        link = self.links.get(digest_token(token))
        return link if link is not None and link.kind == kind else None


@mutant("suspend", INVALID)
def a_reason_may_be_a_number(service):
    mending(service, "suspend", lambda body: body.update(reason=str(body.get("reason"))) if "reason" in body else None)


@mutant("suspend errors", UNKNOWN)
def an_unknown_tenant_is_suspended(service):
    def change(said):
        said.status, said.document = 200, {"tenant_id": "x-x", "status": "suspended"}

    refusing(service, change, "tenant_not_found", "suspend")


@mutant("suspend", SUSPEND)
def a_second_suspension_breaks_the_service(service):
    seen = set()

    async def behave(call: Call) -> None:
        again = call.recorded.tenant_id in seen
        seen.add(call.recorded.tenant_id)
        await (instead(500, "internal_error")(call) if again else call.proceed())

    plant(service, behave, "suspend")
