"""Faults in the older auto-provision webhook."""

from __future__ import annotations

import json
import secrets

from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import GONE, asking, given_key, members, mutant, plant, succeeding

REUSE = "if the admin's e-mail already owns a tenant of this service, that tenant is returned with `reused: true`"
VERIFIED = "Only for an address that the market vouches for (`email_verified: true`, under a valid key)"


@mutant("legacy", REUSE)
class EveryCallMakesATenant(FakeService):
    async def find_tenant_of(self, email):
        return None


@mutant("legacy", REUSE)
def nobody_is_told_that_a_tenant_is_reused(service):
    members(service, "auto_provision", reused=False)


@mutant("legacy", REUSE)
def reused_is_left_out(service):
    members(service, "auto_provision", reused=GONE)


@mutant("legacy", VERIFIED)
def everybody_is_vouched_for(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        await (asking(call, body=body | {"email_verified": True}) if isinstance(body, dict) else call).proceed()

    plant(service, behave, "auto_provision")


@mutant("legacy", "`POST /api/tenant/webhook/auto-provision` goes to activate")
def the_webhook_answers_a_password(service):
    members(service, "auto_provision", admin_password="hunter2hunter2")


@mutant("legacy", "`POST /api/tenant/webhook/auto-provision` goes to activate")
def the_webhook_has_its_own_words(service):
    def change(said, call):
        said.document = {"success": True, "url": said.document["access_url"], "id": secrets.token_hex(4)}

    succeeding(service, "auto_provision", change)


@mutant("legacy.unverified", VERIFIED)
def who_names_a_tenant_gets_it(service):
    async def behave(call):
        body = call.recorded.body
        named = service.tenants.get(body.get("tenant_id")) if isinstance(body, dict) else None
        if named is None or given_key(call) != service.api_key:
            await call.proceed()
            return
        answer = named.answer.model_dump(mode="json") | {"reused": True}
        await call.answer(200, json.dumps(answer).encode(), "application/json")

    plant(service, behave, "auto_provision")
