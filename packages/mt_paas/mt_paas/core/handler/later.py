"""What may take longer than a caller waits: the calls of a tenant's life as operations, exports, and single sign-on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mt_paas.core.exports import Exports
from mt_paas.core.handler.base import HandlerOptions
from mt_paas.core.handler.tenancy import TenancyCalls
from mt_paas.core.manager import TenantManager
from mt_paas.core.operation_store import StoredOperation, Task
from mt_paas.core.operations import Operations, Work, accepted
from mt_paas.core.sso import SingleSignOn
from mt_paas.errors import TenantNotActive, TenantNotFound
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    Operation,
    OperationAccepted,
    OperationError,
    OperationStatus,
    PlanChangeRequest,
    PlanChangeResponse,
    SsoRequest,
    SsoResponse,
    TenantState,
    UserCreate,
)

__all__ = ["LaterCalls"]

Body = TypeVar("Body", bound=ContractModel)
Answer = TypeVar("Answer", bound=ContractModel)


class LaterCalls(TenancyCalls):
    """The extensions async_operations, export and sso. What a call does is in ``do_activate`` and the like."""

    def __init__(self, manager: TenantManager, manifest: Manifest, options: HandlerOptions | None = None) -> None:
        super().__init__(manager, manifest, options)
        base_url, settings = manifest.endpoints.base_url, self.options
        self.exports = Exports(manager, base_url, settings.export_folder, settings.export_lifetime)
        self.sign_on = SingleSignOn(manager, self.users, base_url, settings.session_lifetime)
        self.operations = Operations(
            manager,
            {
                "activate": Work(self._activate_again, undo=self._undo_activation),
                "deactivate": Work(self._deactivate_again),
                "plan": Work(self._change_plan_again),
                "purge": Work(self._purge_again),
                "export": Work(self._export, undo=self._undo_export),
            },
        )

    def patience(self, kind: str, tenant_id: str) -> float | None:
        """Return after how many seconds ``kind`` (activate, deactivate, plan, purge) is answered with 202.

        Null is never, 0 at once. A service overrides it where it knows more than the setting ``async_after``.
        """
        return self.options.async_after

    async def sweep(self) -> None:
        """Do what is due for tenants, operations and exports; any number of processes may at once."""
        await self.operations.sweep()  # first: somebody waits for them, and tenants that fail take their time
        await self.manager.sweep()
        await self.exports.sweep()

    async def close(self) -> None:
        """Stop working and telling; what is under way is handed over."""
        await self.operations.close()
        await self.notices.close()

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse | OperationAccepted:
        """Make the tenant active; see ``do_activate``."""
        return await self._now_or_later("activate", request.tenant_id, request, lambda: self.do_activate(request))

    async def deactivate_tenant(
        self, tenant_id: str, request: DeactivateRequest
    ) -> DeactivateResponse | OperationAccepted:
        """Close the tenant; see ``do_deactivate``."""
        return await self._now_or_later(
            "deactivate", tenant_id, request, lambda: self.do_deactivate(tenant_id, request)
        )

    async def change_plan(self, tenant_id: str, request: PlanChangeRequest) -> PlanChangeResponse | OperationAccepted:
        """Put the tenant on another plan; see ``do_change_plan``."""
        return await self._now_or_later("plan", tenant_id, request, lambda: self.do_change_plan(tenant_id, request))

    async def purge_tenant(self, tenant_id: str) -> DeletionReceipt | OperationAccepted:
        """Delete the tenant's data, its exports too; see ``do_purge``."""
        return await self._now_or_later("purge", tenant_id, None, lambda: self._purge(tenant_id))

    async def get_operation(self, operation_id: str) -> Operation:
        """Report on an operation. Links in its result are made anew each time: none is stored."""
        return await self._shown(await self.manager.operations.get(operation_id))

    async def cancel_operation(self, operation_id: str) -> Operation:
        """Undo the first activation of a tenant, or an export, that is under way. There is no way back from others."""
        return await self._shown(await self.operations.cancel(operation_id))

    async def export_tenant(self, tenant_id: str) -> OperationAccepted:
        """Begin to write all that is in the tenant's database into a file; also of a deactivated tenant."""
        await self.known(tenant_id)
        return await self.operations.start(Task(kind="export", tenant_id=tenant_id))

    async def create_sso_link(self, tenant_id: str, request: SsoRequest) -> SsoResponse:
        """Return a link that logs the user in; one whose address is new becomes a user, if there is a place left."""
        target = self.sign_on.target(request.return_to)
        async with self.at_work(tenant_id) as (tenant, session):
            if self.state_of(tenant) is not TenantState.ACTIVE:
                raise TenantNotActive(f"Tenant {tenant_id} is suspended: nobody can be logged in.")
            user = await self.users.find(session, request.user.email)
            if user is None:
                await self.users.hold(session)
                user = await self.users.find(session, request.user.email)
            if user is None:
                new = UserCreate(email=request.user.email, name=request.user.name, role=request.user.role)
                limit = self.max_users_of(await self.known(tenant_id))
                user = await self.users.add(session, new, limit=limit, now=self.manager.clock())
            return await self.sign_on.issue(session, tenant, user, target)

    async def _now_or_later(
        self, kind: str, tenant_id: str, request: ContractModel | None, call: Callable[[], Awaitable[Answer]]
    ) -> Answer | OperationAccepted:
        patience = self.patience(kind, tenant_id) if "async_operations" in self.manifest.extensions else None
        if patience is None:
            return await call()
        if patience <= 0:
            await self._refuse_early(kind, tenant_id, request)
        body = request.model_dump(mode="json") if request is not None else None
        task = Task(kind=kind, tenant_id=tenant_id, request=body, idempotency_key=call_context().idempotency_key)
        return await self.operations.answer(task, call, _stored, patience)

    async def _refuse_early(self, kind: str, tenant_id: str, request: ContractModel | None) -> None:
        """Raise what is certain to be refused: nobody is told to wait for that."""
        try:
            tenant = await self.manager.get_tenant(tenant_id)
        except TenantNotFound:
            if kind == "activate":
                return
            raise
        if isinstance(request, ActivateRequest):
            await self.refuse_another(tenant, request)
        elif kind == "plan":
            await self.known(tenant_id)
        elif kind == "purge" and tenant.is_working(self.manager.clock()):
            raise TenantNotActive(f"Tenant {tenant_id} is {tenant.status}: deactivate it first.")

    async def _purge(self, tenant_id: str) -> DeletionReceipt:
        receipt = await self.do_purge(tenant_id)
        await self.exports.discard_all_of(tenant_id)
        return receipt

    # The same calls, taken up from what was written down

    async def _activate_again(self, operation: StoredOperation) -> dict[str, Any]:
        return _stored(await self.do_activate(_request(ActivateRequest, operation)))

    async def _deactivate_again(self, operation: StoredOperation) -> dict[str, Any]:
        request = _request(DeactivateRequest, operation)
        return _stored(await self.do_deactivate(operation.task.tenant_id, request))

    async def _change_plan_again(self, operation: StoredOperation) -> dict[str, Any]:
        request = _request(PlanChangeRequest, operation)
        return _stored(await self.do_change_plan(operation.task.tenant_id, request))

    async def _purge_again(self, operation: StoredOperation) -> dict[str, Any]:
        return _stored(await self._purge(operation.task.tenant_id))

    async def _export(self, operation: StoredOperation) -> dict[str, Any]:
        return await self.exports.write(await self.known(operation.task.tenant_id), operation.operation_id)

    async def _undo_activation(self, operation: StoredOperation) -> bool:
        """Leave nothing of a tenant that never was active; of one that is or was, tell that it is too late."""
        async with self.manager.operation(operation.task.tenant_id, actor="market") as held:
            tenant = await held.find()
            if tenant is not None and tenant.activation:
                return False
            if tenant is not None:
                await held.cancel("cancelled")
        return True

    async def _undo_export(self, operation: StoredOperation) -> bool:
        await self.exports.discard(operation.operation_id)
        return True

    async def _shown(self, operation: StoredOperation) -> Operation:
        operation_id, status = operation.operation_id, operation.status
        if status is OperationStatus.IN_PROGRESS:
            return Operation(operation_id=operation_id, status=status, retry_after=accepted(operation).retry_after)
        if status is OperationStatus.FAILED:
            return Operation(
                operation_id=operation_id, status=status, error=OperationError.model_validate(operation.error)
            )
        result = operation.result
        if operation.task.kind == "export":
            result = self.exports.result(operation).model_dump(mode="json")
        elif operation.task.kind == "activate":
            result = await self._activation(operation)
        return Operation(operation_id=operation_id, status=status, result=result)

    async def _activation(self, operation: StoredOperation) -> dict[str, Any] | None:
        """Return the result of an activation, with the set-up link for as long as the tenant is open."""
        try:
            tenant = await self.known(operation.task.tenant_id)
        except TenantNotFound:
            return operation.result
        if self.state_of(tenant) is not TenantState.ACTIVE:
            return operation.result
        return self.activated(tenant).model_dump(mode="json")


def _stored(answer: ContractModel) -> dict[str, Any]:
    """Return what is kept of an answer: no link that lets anybody in."""
    return answer.model_dump(mode="json", exclude={"admin_credentials"})


def _request(model: type[Body], operation: StoredOperation) -> Body:
    return model.model_validate_json(json.dumps(operation.task.request))
