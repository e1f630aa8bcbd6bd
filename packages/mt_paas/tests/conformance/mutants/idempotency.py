"""Faults that show when the same call comes again, or another one for the same tenant."""

from __future__ import annotations

import secrets
from datetime import timedelta

from mt_paas.conformance import SHOULD
from mt_paas.errors import TenantAlreadyExists, TenantNotFound
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import instead, members, mutant, plant, refusing, succeeding

DEACTIVATED = "200 `{status: deactivated|scheduled, tenant_id, data_preserved, reactivation_deadline}`"
SAME = "The same request again answers 200 with the same result"
DIFFERENT = "A different body for an active tenant answers 409 `tenant_already_exists`"
AGAIN = "Deactivate is idempotent"


@mutant("idempotency", SAME)
class TheSameRequestAgainIsAConflict(FakeService):
    async def activate_tenant(self, request):
        if request.tenant_id in self.tenants and self.existing(request.tenant_id).state is TenantState.ACTIVE:
            raise TenantAlreadyExists
        return await super().activate_tenant(request)


@mutant("idempotency", SAME)
def the_same_request_again_has_another_address(service):
    members(service, "activate", access_url=lambda url: f"{url}?{secrets.token_hex(4)}")


@mutant("idempotency", SAME)
class ANewKeyMakesItAnotherRequest(FakeService):
    """Only the Idempotency-Key tells a repetition, not the equal body."""

    async def activate_tenant(self, request):
        tenant, key = self.tenants.get(request.tenant_id), call_context().idempotency_key
        if tenant is not None and tenant.state is TenantState.ACTIVE and (key is None or tenant.idempotency_key != key):
            raise TenantAlreadyExists
        return await super().activate_tenant(request)


@mutant("idempotency", SAME)
def equality_is_one_of_bytes(service):
    """The order of members decides whether a body is equal."""
    seen = {}

    async def behave(call: Call) -> None:
        raw = str(call.recorded.body)
        first = seen.setdefault(call.recorded.tenant_id, raw)
        await (call.proceed() if first == raw else instead(409, "tenant_already_exists")(call))

    plant(service, behave, "activate")


@mutant("idempotency", DIFFERENT)
class ADifferentBodyIsTaken(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None:
            tenant.request = request
        return await super().activate_tenant(request)


@mutant("idempotency", DIFFERENT)
class ADifferentBodyIsIgnored(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.ACTIVE:
            return tenant.answer
        return await super().activate_tenant(request)


@mutant("idempotency", DIFFERENT)
class ADifferentBodyIsRefusedAndTaken(FakeService):
    async def activate_tenant(self, request):
        try:
            return await super().activate_tenant(request)
        except TenantAlreadyExists:
            self.tenants[request.tenant_id].request = request
            raise


@mutant("idempotency", DIFFERENT)
def a_different_body_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "tenant_already_exists")


@mutant("idempotency", DIFFERENT)
def a_different_body_is_called_a_conflict(service):
    refusing(
        service, lambda said: setattr(said, "body", b'{"error":"conflict","message":"x"}'), "tenant_already_exists"
    )


@mutant("idempotency", AGAIN)
class DeactivatedTwiceIsNotFound(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        if self.existing(tenant_id).state is TenantState.DEACTIVATED and request.preserve_data:
            raise TenantNotFound
        return await super().deactivate_tenant(tenant_id, request)


@mutant("idempotency", AGAIN)
class EveryDeactivationExtendsTheDeadline(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        tenant = self.tenants.get(tenant_id)
        if tenant is not None and tenant.deadline is not None:
            tenant.deadline += timedelta(days=30)
        return await super().deactivate_tenant(tenant_id, request)


@mutant("idempotency", AGAIN)
def deactivated_twice_says_that_data_are_gone(service):
    seen = set()

    def change(said, call):
        if call.tenant_id in seen:
            said.document = said.document | {"data_preserved": False}
        seen.add(call.tenant_id)

    succeeding(service, "deactivate", change)


@mutant("idempotency", DIFFERENT)
class OnlyThePlanIsCompared(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.ACTIVE and tenant.request.plan == request.plan:
            return tenant.answer
        return await super().activate_tenant(request)


@mutant("idempotency", DIFFERENT)
class ThePlanIsNotCompared(FakeService):
    async def activate_tenant(self, request):
        tenant = self.tenants.get(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.ACTIVE and tenant.request.plan != request.plan:
            return tenant.answer
        return await super().activate_tenant(request)


@mutant("idempotency.callback", SAME, level=SHOULD)
def another_callback_makes_it_another_body(service):
    seen = {}

    async def behave(call: Call) -> None:
        body = call.recorded.body
        callback = body.get("callback") if isinstance(body, dict) else None
        first = seen.setdefault(call.recorded.tenant_id, callback)
        await (call.proceed() if first == callback else instead(409, "tenant_already_exists")(call))

    plant(service, behave, "activate")
