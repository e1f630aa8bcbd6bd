"""Faults that show when calls come at once, in another version, or when the market leaves."""

from __future__ import annotations

import asyncio

from mt_paas.errors import OperationInProgress
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import Call, FakeService, altering

from mutants.planting import asking, instead, mutant, plant, refusing, succeeding

AT_ONCE = "two lifecycle calls for one tenant at once: one works, the other answers 409 `operation_in_progress`"
VERSION = "a service that cannot serve it answers 412 `unsupported_api_version` with the versions it has"
DISCOVERY = "`GET /mt/.well-known/mt-configuration` tells versions, extensions, limits, key set and schema addresses"


@mutant("concurrency", AT_ONCE)
def two_calls_at_once_break_the_service(service):
    busy = set()

    async def behave(call: Call) -> None:
        tenant_id = call.recorded.tenant_id
        if tenant_id in busy:
            await instead(500, "internal_error")(call)
            return
        busy.add(tenant_id)
        await asyncio.sleep(0.05)
        try:
            await call.proceed()
        finally:
            busy.discard(tenant_id)

    plant(service, behave, "activate")


@mutant("concurrency", AT_ONCE)
class TwoBodiesAtOnceBothWin(FakeService):
    async def activate_tenant(self, request):
        was_there = request.tenant_id in self.tenants
        await asyncio.sleep(0.05)
        if not was_there and request.tenant_id in self.tenants:
            self.tenants[request.tenant_id].request = request
        return await super().activate_tenant(request)


@mutant("concurrency", AT_ONCE)
class TwoAtOnceBothLose(FakeService):
    async def activate_tenant(self, request):
        self.begun = getattr(self, "begun", {})
        self.begun[request.tenant_id] = self.begun.get(request.tenant_id, 0) + 1
        await asyncio.sleep(0.05)
        if self.begun[request.tenant_id] > 1 and request.tenant_id not in self.tenants:
            raise OperationInProgress
        return await super().activate_tenant(request)


@mutant("concurrency", AT_ONCE)
def who_comes_second_is_told_another_word(service):
    busy = set()

    async def behave(call: Call) -> None:
        tenant_id = call.recorded.tenant_id
        if tenant_id in busy:
            await instead(409, "locked")(call)
            return
        busy.add(tenant_id)
        await asyncio.sleep(0.05)
        try:
            await call.proceed()
        finally:
            busy.discard(tenant_id)

    plant(service, behave, "activate")


@mutant("concurrency", "409 `tenant_already_exists`")
class ALostRaceChangesTheTenant(FakeService):
    """Who loses is told so, and the plan is the loser's."""

    async def activate_tenant(self, request):
        was_there = request.tenant_id in self.tenants
        await asyncio.sleep(0.05)
        try:
            return await super().activate_tenant(request)
        except Exception:
            if not was_there:
                self.tenants[request.tenant_id].request = request
            raise


@mutant("negotiation", VERSION)
def any_version_is_served(service):
    async def behave(call: Call) -> None:
        await asking(call, headers={"x-mt-api-version": None}).proceed()

    plant(service, behave, None)


@mutant("negotiation", VERSION)
def a_version_that_is_not_served_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "unsupported_api_version")


@mutant("negotiation", VERSION)
def a_version_that_is_not_served_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "precondition_failed"}

    refusing(service, change, "unsupported_api_version")


@mutant("negotiation", VERSION)
def nobody_learns_which_versions_there_are(service):
    def change(said):
        said.document = {"error": "unsupported_api_version", "message": "This version is not served."}

    refusing(service, change, "unsupported_api_version")


@mutant("negotiation", VERSION)
def version_2_is_refused(service):
    async def behave(call: Call) -> None:
        is_newer = (b"x-mt-api-version", b"2") in call.scope["headers"]
        await (asking(call, headers={"x-mt-api-version": "99"}) if is_newer else call).proceed()

    plant(service, behave, None)


@mutant("negotiation", VERSION)
def who_names_no_version_is_refused(service):
    async def behave(call: Call) -> None:
        names_one = any(name == b"x-mt-api-version" for name, _ in call.scope["headers"])
        is_open = names_one or call.recorded.operation in {"", "health"}
        await (call if is_open else asking(call, headers={"x-mt-api-version": "99"})).proceed()

    plant(service, behave, None)


@mutant("discovery", DISCOVERY)
def discovery_tells_another_version(service):
    def change(said, call):
        if call.path.endswith("mt-configuration") and said.status == 200:
            said.document = said.document | {"versions": ["1"]}

    plant(service, altering(change), None)


@mutant("discovery", DISCOVERY)
def discovery_tells_another_header(service):
    def change(said, call):
        if call.path.endswith("mt-configuration") and said.status == 200:
            document = said.document
            document["keys"]["header"] = "X-Other-Key"
            said.document = document

    plant(service, altering(change), None)


@mutant("manifest", '`version: "1.0"` … `service{id, name, description, version, vendor}`')
def the_manifest_lacks_the_vendor(service):
    def change(said, call):
        if call.path == "/mt/manifest":
            document = said.document
            del document["service"]["vendor"]
            said.document = document

    plant(service, altering(change), None)


@mutant("clean_up lifecycle", "`preserve_data`: false deletes the data")
class ErasedTenantsStayActive(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        answer = await super().deactivate_tenant(tenant_id, request.model_copy(update={"preserve_data": True}))
        if not request.preserve_data:
            self.tenants[tenant_id].state = TenantState.ACTIVE
        return answer.model_copy(update={"data_preserved": request.preserve_data})


@mutant("concurrency idempotency lifecycle", "The same request again answers 200 with the same result")
def every_second_answer_is_lost(service):
    """Every second activation breaks after its work was done."""
    seen = {}

    def change(said, call):
        seen[call.tenant_id] = seen.get(call.tenant_id, 0) + 1
        if seen[call.tenant_id] % 2 == 0:
            said.status, said.document = 500, {"error": "internal_error", "message": "Something broke."}

    succeeding(service, "activate", change)


def _asked_version(call: Call) -> str | None:
    return call.recorded.headers.get("x-mt-api-version")


@mutant("negotiation.first_version", VERSION, version="1.0")
def version_1_is_refused_by_a_service_that_has_it(service):
    async def behave(call: Call) -> None:
        refused = instead(412, "unsupported_api_version", "There is version 1.")
        await (call.proceed() if _asked_version(call) != "1" else refused(call))

    plant(service, behave, "status")


@mutant("negotiation.first_version", VERSION, version="1.0")
def version_2_is_400_at_a_service_of_version_1(service):
    async def behave(call: Call) -> None:
        refused = instead(400, "invalid_header", "There is version 1.")
        await (call.proceed() if _asked_version(call) != "2" else refused(call))

    plant(service, behave, "status")


@mutant("negotiation.first_version", VERSION, version="1.0")
def version_2_is_refused_without_the_version_that_there_is(service):
    async def behave(call: Call) -> None:
        refused = instead(412, "unsupported_api_version")
        await (call.proceed() if _asked_version(call) != "2" else refused(call))

    plant(service, behave, "status")
