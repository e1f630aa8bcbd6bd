"""Faults in users and settings that show with values of every kind, several at a time, or a second time."""

from __future__ import annotations

import asyncio
import html
import json
from datetime import UTC, datetime

from mt_paas.conformance import SHOULD
from mt_paas.errors import TenantNotActive, UserAlreadyExists
from mt_paas.standard_api.models import TenantConfig, TenantState, UserUpdate
from mt_paas.testing.doubles import FakeService

from mutants.planting import given_key, instead, mutant, plant, succeeding

CHANGE = "`PUT …/users/{user_id}` (any of `name, role, status`)"
GROWS = "both sides ignore fields that they do not know"
SETTINGS = "`{settings{…}, limits{…}, version}` and an ETag"
SCHEDULED = "until then the tenant works"


@mutant("users.update_together", CHANGE)
class OnlyTheFirstMemberIsChanged(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        given = list(request.model_dump(exclude_none=True).items())
        return await super().update_user(tenant_id, user_id, UserUpdate(**dict(given[:1])))


@mutant("users.update_others", CHANGE)
def created_at_of_a_user_can_be_written(service):
    async def behave(call):
        await call.proceed()
        tenant = service.tenants.get(call.recorded.tenant_id)
        user_id = call.recorded.path.rpartition("/")[2]
        if tenant and user_id in tenant.users and "created_at" in (call.recorded.body or {}):
            old = {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}
            tenant.users[user_id] = tenant.users[user_id].model_copy(update=old)

    plant(service, behave, "user", "PUT")


@mutant("users.update_others", CHANGE)
def the_id_of_a_user_can_be_written(service):
    async def behave(call):
        await call.proceed()
        tenant = service.tenants.get(call.recorded.tenant_id)
        user_id, body = call.recorded.path.rpartition("/")[2], call.recorded.body or {}
        if tenant and user_id in tenant.users and "id" in body:
            tenant.users[body["id"]] = tenant.users.pop(user_id).model_copy(update={"id": body["id"]})

    plant(service, behave, "user", "PUT")


@mutant("users.address_again", "`DELETE …/users/{user_id}`: 204")
class ADeletedAddressStaysTaken(FakeService):
    def __init__(self, **options):
        super().__init__(**options)
        self.gone = set()

    async def delete_user(self, tenant_id, user_id):
        user = self.existing(tenant_id).users.get(user_id)
        await super().delete_user(tenant_id, user_id)
        self.gone.add((tenant_id, user.email))

    async def create_user(self, tenant_id, request):
        if (tenant_id, request.email) in self.gone:
            raise UserAlreadyExists
        return await super().create_user(tenant_id, request)


def _named(name, means):
    """Plant a mutant that writes a user's name in its own way."""

    class Named(FakeService):
        async def create_user(self, tenant_id, request):
            told = None if request.name is None else means(request.name)
            return await super().create_user(tenant_id, request.model_copy(update={"name": told}))

    Named.__name__ = name
    mutant("users.names", "JSON is snake_case, UTF-8")(Named)


_named("names_are_escaped", html.escape)
_named("names_are_ascii", lambda name: name.encode("ascii", "replace").decode())
_named("names_have_three_bytes_a_letter", lambda name: "".join(each if ord(each) < 0x10000 else "?" for each in name))


@mutant("users.limit_at_once", "403 `user_limit_reached` (`config.max_users`)")
class RoomIsCountedTooEarly(FakeService):
    async def create_user(self, tenant_id, request):
        tenant = self.open(tenant_id)
        self.require_room(tenant)
        await asyncio.sleep(0.05)
        if self.user_of(tenant, request.email):
            raise UserAlreadyExists
        return self.add_user(tenant, request.email, request.name, request.role, active=False)


def _closed(operation, method):
    """Plant a mutant in which one call refuses members that it does not know."""

    def spoil(service):
        async def behave(call):
            body = call.recorded.body
            is_known = not isinstance(body, dict) or not any(name.startswith("x_") for name in body)
            await (call.proceed() if is_known else instead(422, "invalid_body")(call))

        plant(service, behave, operation, method)

    spoil.__name__ = f"unknown_members_of_{method.lower()}_{operation}_are_refused"
    mutant("bodies.unknown_members", GROWS)(spoil)


for _operation, _method in (
    ("users", "POST"),
    ("user", "PUT"),
    ("settings", "PUT"),
    ("suspend", "POST"),
    ("plan", "POST"),
    ("sso", "POST"),
):
    _closed(_operation, _method)


@mutant("lifecycle.unknown_members", GROWS)
def unknown_members_of_config_are_refused(service):
    async def behave(call):
        config = call.recorded.body.get("config") if isinstance(call.recorded.body, dict) else None
        is_known = not isinstance(config, dict) or set(config) <= {"max_users", "storage_limit_gb"}
        await (call.proceed() if is_known else instead(422, "invalid_body")(call))

    plant(service, behave, "activate")


@mutant("bodies.charset", "JSON is snake_case, UTF-8")
def a_charset_is_no_json(service):
    async def behave(call):
        said = next((value for name, value in call.scope["headers"] if name == b"content-type"), b"")
        await (instead(415, "unsupported_media_type")(call) if b";" in said else call.proceed())

    plant(service, behave, None)


@mutant("settings.write", SETTINGS)
def a_write_answers_an_etag_of_its_own(service):
    def change(said, call):
        kept = {name: value for name, value in said.headers.items() if name.lower() != "etag"}
        said.headers = kept | {"etag": f'"write-{len(service.calls)}"'}

    succeeding(service, "settings", change, "PUT")


def _kept(name, means):
    """Plant a mutant that keeps settings in its own way."""

    class Kept(FakeService):
        async def update_settings(self, tenant_id, request, expected_version):
            settings = {name: means(value) for name, value in request.settings.items()}
            return await super().update_settings(
                tenant_id, request.model_copy(update={"settings": settings}), expected_version
            )

    Kept.__name__ = name
    mutant("settings.values", SETTINGS)(Kept)


_kept("objects_in_settings_are_texts", lambda value: json.dumps(value) if isinstance(value, dict) else value)
_kept("settings_have_no_false", lambda value: 0 if value is False else value)


@mutant("scheduling.again", "Deactivate is idempotent")
class ScheduledTwiceIsAtOnce(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        tenant = self._settled(tenant_id)
        if tenant is not None and tenant.deactivate_at is not None:
            request = request.model_copy(update={"deactivate_at": None})
        return await super().deactivate_tenant(tenant_id, request)


@mutant("scheduling.works", SCHEDULED)
class AScheduledTenantTakesNoUsers(FakeService):
    async def create_user(self, tenant_id, request):
        if self.existing(tenant_id).deactivate_at is not None:
            raise TenantNotActive
        return await super().create_user(tenant_id, request)


@mutant("scheduling.comes_due", "A deactivated tenant whose data is preserved is *re*activated with its data")
class DataAreLostWhenAScheduleComesDue(FakeService):
    async def activate_tenant(self, request):
        tenant = self._settled(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.DEACTIVATED and hasattr(tenant, "was_scheduled"):
            tenant.users.clear()
        return await super().activate_tenant(request)

    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request)
        if answer.status == "scheduled":
            self.tenants[tenant_id].was_scheduled = True
        return answer


@mutant("plan_change.config", "`POST …/plan {plan, features, config}`", level=SHOULD)
class LimitsStayAfterAChangeOfPlan(FakeService):
    async def change_plan(self, tenant_id, request):
        return await super().change_plan(tenant_id, request.model_copy(update={"config": TenantConfig()}))


@mutant("idempotency.different_body", "A different body for an active tenant answers 409 `tenant_already_exists`")
def a_plan_in_the_middle_is_unknown(service):
    async def behave(call):
        plan = call.recorded.body.get("plan") if isinstance(call.recorded.body, dict) else None
        is_known = plan != "standard" or given_key(call) != service.api_key
        await (call.proceed() if is_known else instead(422, "invalid_plan")(call))

    plant(service, behave, "activate")
