"""Faults in operations: work that is answered with 202 and ends later."""

from __future__ import annotations

from mt_paas.standard_api.models import DeactivateResponse, OperationStatus, TenantState
from mt_paas.testing.doubles import FakeService

from mutants.planting import GONE, members, mutant, refusing, succeeding

ACCEPTED = "activate and deactivate may answer **202** `{operation_id, status: in_progress, retry_after}`"
OPERATION = "`GET /mt/operations/{operation_id}` → `in_progress|succeeded|failed` + result or error"
ONCE_AT_A_TIME = "two lifecycle calls for one tenant at once: one works, the other answers 409 `operation_in_progress`"


@mutant("lifecycle async_operations", ACCEPTED, version="1.0")
def an_activation_is_202_and_nobody_declared_it(service):
    def change(said, call):
        said.status, said.document = 202, {"operation_id": "op_1", "status": "in_progress", "retry_after": 1}

    succeeding(service, "activate", change)


@mutant("lifecycle async_operations", ACCEPTED, asynchronous=True)
def a_202_has_no_operation(service):
    members(service, "activate", operation_id=GONE)


@mutant("lifecycle async_operations", ACCEPTED, asynchronous=True)
def a_202_says_accepted(service):
    members(service, "activate", status="accepted")


@mutant("async_operations", ACCEPTED, asynchronous=True)
def a_202_says_later_in_words(service):
    members(service, "activate", retry_after="soon")


@mutant("async_operations", ACCEPTED, asynchronous=True)
def a_202_is_to_be_asked_for_in_the_past(service):
    members(service, "activate", retry_after=-1)


@mutant("lifecycle async_operations", OPERATION, asynchronous=True, steps=10_000)
def operations_never_end(service):
    pass


@mutant("lifecycle async_operations", OPERATION, asynchronous=True)
def operations_end_without_a_result(service):
    members(service, "operation", result=GONE)


@mutant("lifecycle async_operations", OPERATION, asynchronous=True)
def operations_end_as_done(service):
    members(service, "operation", status=lambda status: "done" if status == "succeeded" else status)


@mutant("lifecycle async_operations", OPERATION, asynchronous=True)
def the_result_is_about_another_tenant(service):
    members(service, "operation", result=lambda result: result and result | {"tenant_id": "hallym_univ"})


@mutant("lifecycle async_operations", OPERATION, asynchronous=True)
def the_result_is_wrapped(service):
    members(service, "operation", result=lambda result: result and {"response": result})


@mutant("async_operations", OPERATION, asynchronous=True)
def an_operation_has_another_id(service):
    members(service, "operation", operation_id="op_1")


@mutant("async_operations lifecycle", OPERATION, asynchronous=True)
class AnOperationSucceedsAndNothingWasDone(FakeService):
    async def get_operation(self, operation_id):
        operation = await super().get_operation(operation_id)
        if operation.status is OperationStatus.SUCCEEDED:
            self.tenants.pop((operation.result or {}).get("tenant_id", ""), None)
        return operation


@mutant("async_operations lifecycle", OPERATION, asynchronous=True)
class ADeactivationSucceedsAndNothingWasDone(FakeService):
    async def get_operation(self, operation_id):
        operation = await super().get_operation(operation_id)
        tenant = self.tenants.get((operation.result or {}).get("tenant_id", ""))
        if tenant is not None:
            tenant.state = TenantState.ACTIVE
        return operation


@mutant("async_operations", OPERATION)
def an_unknown_operation_is_in_progress(service):
    def change(said):
        said.status, said.document = 200, {"operation_id": "op_1", "status": "in_progress", "retry_after": 1}

    refusing(service, change, "operation_not_found", "operation")


@mutant("async_operations", OPERATION)
def an_unknown_operation_breaks_the_service(service):
    refusing(service, lambda said: setattr(said, "status", 500), "operation_not_found", "operation")


@mutant("async_operations", "a cancelled operation leaves nothing behind", asynchronous=True)
class ACancelledActivationLeavesTheTenant(FakeService):
    async def cancel_operation(self, operation_id):
        operation = self.operations.get(operation_id)
        if operation is not None and operation.is_running:
            operation.work()
        return await super().cancel_operation(operation_id)


@mutant("async_operations", "a cancelled operation ends as failed", asynchronous=True)
class ACancelledOperationGoesOn(FakeService):
    async def cancel_operation(self, operation_id):
        answer = await super().cancel_operation(operation_id)
        operation = self.operations[operation_id]
        operation.status, operation.error, operation.steps = OperationStatus.IN_PROGRESS, None, 1
        return answer


@mutant("async_operations", "a cancelled operation ends as failed with the error `cancelled`", asynchronous=True)
def a_cancelled_operation_has_succeeded(service):
    def change(said, call):
        if said.document.get("error"):
            said.document = said.document | {"status": "succeeded", "error": None, "result": {}}

    succeeding(service, "operation", change)


@mutant("async_operations", "The same request again answers with the same result", asynchronous=True)
class TheSameActivationBeginsASecondOperation(FakeService):
    def running(self, tenant_id, asked, idempotency_key):
        return None


@mutant("async_operations", ONCE_AT_A_TIME, asynchronous=True)
class ADeactivationOfWhatIsBeingActivatedIsForgotten(FakeService):
    async def deactivate_tenant(self, tenant_id, request):
        if tenant_id not in self.tenants and self._running(tenant_id):
            return DeactivateResponse(status="deactivated", tenant_id=tenant_id, data_preserved=request.preserve_data)
        return await super().deactivate_tenant(tenant_id, request)


@mutant(
    "async_operations lifecycle",
    "a manifest that declares `async_operations` names `endpoints.operation`",
    asynchronous=True,
)
class OperationsCanNotBeAskedFor(FakeService):
    def manifest(self, base_url):
        manifest = super().manifest(base_url)
        return manifest.model_copy(update={"endpoints": manifest.endpoints.model_copy(update={"operation": None})})
