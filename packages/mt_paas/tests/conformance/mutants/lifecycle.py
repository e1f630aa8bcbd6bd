"""Faults in the life of a tenant: activation, deactivation, reactivation."""

from __future__ import annotations

from mt_paas.errors import TenantAlreadyExists
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import GONE, instead, members, mutant, plant, succeeding

ACTIVATED = "200 `{status: activated, tenant_id, access_url, admin_credentials?}`"
DEACTIVATED = "200 `{status: deactivated|scheduled, tenant_id, data_preserved, reactivation_deadline}`"
REACTIVATED = "A deactivated tenant whose data is preserved is *re*activated with its data"
NO_PASSWORD = "No password in an answer"


@mutant("lifecycle", ACTIVATED)
def activation_is_201(service):
    succeeding(service, "activate", lambda said, call: setattr(said, "status", 201))


@mutant("lifecycle", ACTIVATED)
def activation_says_active(service):
    members(service, "activate", status="active")


@mutant("lifecycle", ACTIVATED)
def activation_does_not_say_whom(service):
    members(service, "activate", tenant_id=GONE)


@mutant("lifecycle", ACTIVATED)
def activation_names_somebody_else(service):
    members(service, "activate", tenant_id="hallym_univ")


@mutant("lifecycle", ACTIVATED)
def access_url_is_a_path(service):
    members(service, "activate", access_url=lambda url: "/app" + url.partition("/app")[2])


@mutant("lifecycle", ACTIVATED)
def access_url_has_no_scheme(service):
    members(service, "activate", access_url=lambda url: url.partition("//")[2])


@mutant("lifecycle", ACTIVATED)
def access_url_is_missing(service):
    members(service, "activate", access_url=GONE)


@mutant("lifecycle", ACTIVATED)
def activation_is_wrapped(service):
    def wrap(said, call):
        said.document = {"success": True, "data": said.document}

    succeeding(service, "activate", wrap)


@mutant("lifecycle", NO_PASSWORD)
def activation_answers_a_password(service):
    members(service, "activate", admin_credentials__password="hunter2hunter2")


@mutant("lifecycle", NO_PASSWORD)
def activation_answers_a_temporary_password(service):
    members(service, "activate", admin_credentials__temp_password="hunter2hunter2")


@mutant("lifecycle", NO_PASSWORD)
def activation_answers_a_password_elsewhere(service):
    members(service, "activate", admin={"email": "a@example.org", "initial_password": "hunter2hunter2"})


@mutant("lifecycle", "`admin_credentials` carries a one-time set-up link (`setup_url`, `expires_at`)")
def set_up_link_has_ended_already(service):
    members(service, "activate", admin_credentials__expires_at="2020-01-01T00:00:00Z")


@mutant("lifecycle", "times are RFC 3339 in UTC")
def set_up_link_ends_at_a_time_without_a_zone(service):
    members(service, "activate", admin_credentials__expires_at="2099-01-01T00:00:00")


@mutant("lifecycle", "`admin_credentials` carries a one-time set-up link (`setup_url`, `expires_at`)")
def set_up_link_is_a_path(service):
    members(service, "activate", admin_credentials__setup_url="/setup/abc")


@mutant("lifecycle", DEACTIVATED)
def deactivation_says_ok(service):
    members(service, "deactivate", status="ok")


@mutant("lifecycle", DEACTIVATED)
def deactivation_is_204(service):
    def empty(said, call):
        said.status, said.body = 204, b""

    succeeding(service, "deactivate", empty)


@mutant("lifecycle", DEACTIVATED)
def deactivation_names_nobody(service):
    members(service, "deactivate", tenant_id=GONE)


@mutant("lifecycle", DEACTIVATED)
class DeactivationDoesNothing(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request)
        tenant = self.tenants.get(tenant_id)
        if tenant is not None and request.preserve_data:
            tenant.state = TenantState.ACTIVE
        return answer


@mutant("lifecycle", DEACTIVATED)
def data_are_always_said_to_be_preserved(service):
    members(service, "deactivate", data_preserved=True)


@mutant("lifecycle", DEACTIVATED)
def data_preserved_is_a_word(service):
    members(service, "deactivate", data_preserved="yes")


@mutant("lifecycle", DEACTIVATED)
def there_is_no_deadline(service):
    members(service, "deactivate", reactivation_deadline=GONE)


@mutant("lifecycle", DEACTIVATED)
def the_deadline_is_over(service):
    members(service, "deactivate", reactivation_deadline=lambda at: at and "2020-01-01T00:00:00Z")


@mutant("lifecycle", "times are RFC 3339 in UTC")
def the_deadline_has_no_zone(service):
    members(service, "deactivate", reactivation_deadline=lambda at: at and at.removesuffix("Z"))


@mutant("lifecycle", "times are RFC 3339 in UTC")
def the_deadline_is_a_date(service):
    members(service, "deactivate", reactivation_deadline=lambda at: at and at[:10])


@mutant("lifecycle", REACTIVATED)
class ReactivationForgetsEverything(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            del self.tenants[request.tenant_id]
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationLosesUsers(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            tenant.users.clear()
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationLosesSettings(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            tenant.settings = {"language": "ko"}
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationIsANewBirthday(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            tenant.created_at = self.clock()
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationKeepsTheOldPlan(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            request = request.model_copy(update={"plan": tenant.request.plan})
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationIsRefused(FakeService):
    async def activate_tenant(self, request):
        if request.tenant_id in self.tenants and self.existing(request.tenant_id).state is TenantState.DEACTIVATED:
            raise TenantAlreadyExists
        return await super().activate_tenant(request)


@mutant("lifecycle", REACTIVATED)
class ReactivationIsSaidAndNotDone(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED:
            return tenant.answer
        return await super().activate_tenant(request)


@mutant("lifecycle", "body `reason`, `preserve_data`, …")
class PreserveDataIsIgnored(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        kept = await super().deactivate_tenant(tenant_id, request.model_copy(update={"preserve_data": True}))
        return kept.model_copy(update={"data_preserved": request.preserve_data})


@mutant("lifecycle", "body `reason`, `preserve_data`, …")
class ErasedUsersComeBack(FakeService):
    """The tenant is new, and the old users are there again."""

    def __init__(self, **options):
        super().__init__(**options)
        self.kept = {}

    async def deactivate_tenant(self, tenant_id, request):
        if tenant_id in self.tenants:
            self.kept[tenant_id] = self.tenants[tenant_id].users
        answer = await super().deactivate_tenant(tenant_id, request)
        self.purged.pop(tenant_id, None)
        return answer

    async def activate_tenant(self, request):
        answer = await super().activate_tenant(request)
        self.tenants[request.tenant_id].users |= self.kept.pop(request.tenant_id, {})
        return answer


@mutant("lifecycle", "`POST …/activate` body `plan`")
class EveryTenantIsOnTheFirstPlan(FakeService):
    async def activate_tenant(self, request):
        return await super().activate_tenant(request.model_copy(update={"plan": self.plans[0]}))


@mutant("lifecycle", "both sides ignore fields that they do not know")
def unknown_members_are_refused(service):
    known = {"tenant_id", "tenant_name", "plan", "features", "config", "admin", "callback"}

    async def behave(call: Call) -> None:
        body = call.recorded.body
        is_strange = isinstance(body, dict) and body.keys() - known
        await (instead(422, "invalid_body")(call) if is_strange else call.proceed())

    plant(service, behave, "activate")


@mutant("lifecycle", "both sides ignore fields that they do not know")
def unknown_members_of_a_deactivation_are_refused(service):
    known = {"tenant_id", "reason", "preserve_data", "deactivate_at"}

    async def behave(call: Call) -> None:
        body = call.recorded.body
        is_strange = isinstance(body, dict) and body.keys() - known
        await (instead(422, "invalid_body")(call) if is_strange else call.proceed())

    plant(service, behave, "deactivate")


@mutant("lifecycle", ACTIVATED)
class ActivationIsSaidAndNotDone(FakeService):
    async def activate_tenant(self, request):
        answer = await super().activate_tenant(request)
        self.tenants.pop(request.tenant_id, None)
        return answer


@mutant("status", "status: active|suspended|deactivated")
def a_deactivated_tenant_is_shown_as_active(service):
    members(service, "status", status=lambda state: "active" if state == "deactivated" else state)


@mutant("lifecycle errors format", "Secrets are in no answer")
def the_address_of_a_tenant_holds_the_key(service):
    members(service, "activate", access_url=lambda url: f"{url}?key={service.api_key}")


@mutant("status lifecycle", "status `created_at`")
def created_at_is_that_of_the_service(service):
    members(service, "status", created_at="2020-01-01T00:00:00Z")


@mutant("status", "storage{used_gb, limit_gb}")
def storage_is_not_a_number(service):
    def change(said, call):
        said.body = said.body.replace(b'"used_gb":0.0', b'"used_gb":NaN')

    succeeding(service, "status", change)


@mutant("status errors format", "JSON is snake_case, UTF-8")
def answers_begin_with_a_byte_order_mark(service):
    succeeding(service, "status", lambda said, call: setattr(said, "body", b"\xef\xbb\xbf" + said.body))
