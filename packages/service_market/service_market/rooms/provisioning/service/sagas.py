"""The sagas: activate (and reactivate), deactivate, purge, each by the calls of the Standard API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from mt_paas.errors import ServiceCallError, ServiceRefused
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    Admin,
    DeactivateReason,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    HealthStatus,
    OperationAccepted,
    StatusResponse,
    TenantConfig,
    TenantState,
)

from service_market.core.uow import UnitOfWork
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.service.saga import Saga, ServiceLied, Step, StepContext
from service_market.rooms.provisioning.types import OperationKind
from service_market.rooms.subscriptions import public as subscriptions
from service_market.rooms.tenants import public as tenants
from service_market.rooms.tenants.events import TenantActivated, TenantDeactivated, TenantFailed, TenantPurged
from service_market.rooms.tenants.public import TenantRef
from service_market.rooms.tenants.types import TenantStatus

__all__ = ["SAGAS"]

#: How long data are kept where a service does not say (product.md: the reactivation deadline).
PRESERVED_FOR = timedelta(days=90)
#: The words by which the contract says that there is no such tenant. A bare 404 may come from anybody on the way.
_GONE = frozenset({"tenant_not_found", "tenant_purged"})


async def _status_or_gone(context: StepContext) -> StatusResponse | ServiceRefused:
    """Return what the service says of the tenant; its refusal, where it says that it has none."""
    try:
        return await context.driver.status(context.access, context.tenant.tenant_id)
    except ServiceRefused as refused:
        if refused.error in _GONE:
            return refused
        raise


def _in_words(answer: StatusResponse | ServiceRefused) -> str:
    if isinstance(answer, ServiceRefused):
        return f"its status says {answer.status} {answer.error or ''}".rstrip()
    return f"its status says {answer.status}"


# --- activate ------------------------------------------------------------------------------------------------------


async def _activate(context: StepContext) -> dict[str, Any] | OperationAccepted:
    tenant = context.tenant
    request = ActivateRequest(
        tenant_id=tenant.tenant_id,
        tenant_name=tenant.name,
        plan=tenant.plan,
        features=list(tenant.features),
        config=TenantConfig.model_validate(tenant.config),
        admin=Admin(email=tenant.admin_email, name=tenant.admin_name),
        callback=context.callback,
    )
    # After an unanswered attempt, "it exists already" may be our own doing: ask before asking again.
    ours = context.uncertain and await _is_there(context)
    try:
        answer = await context.answer(
            ActivateResponse,
            lambda: context.driver.activate(context.access, request, idempotency_key=context.key),
        )
    except ServiceRefused as refused:
        if ours and refused.error == "tenant_already_exists":
            return {"access_url": _where_users_go(context)}
        raise
    if isinstance(answer, OperationAccepted):
        return answer
    result: dict[str, Any] = {"access_url": answer.access_url}
    if answer.admin_credentials and answer.admin_credentials.setup_url:
        credentials = answer.admin_credentials
        result["sealed_setup_url"] = context.box.seal(credentials.setup_url or "", context=_seal(context)).hex()
        result["setup_expires_at"] = credentials.expires_at.isoformat() if credentials.expires_at else None
    return result


def _where_users_go(context: StepContext) -> str:
    manifest = context.access.manifest
    if manifest.endpoints.user_access is None:
        return manifest.endpoints.base_url
    return manifest.url("user_access", context.tenant.tenant_id)


async def _is_there(context: StepContext) -> bool:
    answer = await _status_or_gone(context)
    return not isinstance(answer, ServiceRefused) and answer.status is TenantState.ACTIVE


def _seal(context: StepContext) -> str:
    return f"operation:{context.operation_id}:setup_url"


async def _take_back(context: StepContext) -> OperationAccepted | None:
    """Close at the service what a given-up activation may have opened there; its data stay for a later try."""
    request = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
    try:
        answer = await _closed(context, request, key=f"{context.key}-undo")
    except ServiceCallError as error:
        if await _is_there(context):
            raise ServiceLied(f"the tenant is still active there: {error.message}") from error
        return None
    return answer if isinstance(answer, OperationAccepted) else None


async def _closed(
    context: StepContext, request: DeactivateRequest, *, key: str
) -> DeactivateResponse | OperationAccepted:
    tenant_id = context.tenant.tenant_id
    return await context.answer(
        DeactivateResponse,
        lambda: context.driver.deactivate(context.access, tenant_id, request, idempotency_key=key),
    )


async def _is_active(context: StepContext) -> dict[str, Any]:
    answer = await _status_or_gone(context)
    if isinstance(answer, ServiceRefused) or answer.status is not TenantState.ACTIVE:
        raise ServiceLied(f"the service answered that it activated {context.tenant.tenant_id}, but {_in_words(answer)}")
    return {}


async def _is_healthy(context: StepContext) -> dict[str, Any]:
    health = await context.driver.health(context.access)
    if health.status is HealthStatus.UNHEALTHY:
        raise ServiceLied("the service activated the tenant, but its health says unhealthy", retryable=True)
    return {"health": health.status}


class _Activate:
    until_deadline = False
    steps: tuple[Step, ...] = (
        Step("activate", _activate, undo=_take_back),
        Step("verify", _is_active, again_from="activate"),
        Step("health", _is_healthy),
    )

    async def begin(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> str | None:
        if tenant.state is TenantStatus.ACTIVE:
            return "the tenant is active already"
        reason = "reactivation" if operation.kind == OperationKind.REACTIVATE else "activation"
        await tenants.transition(
            uow,
            tenant.pk,
            TenantStatus.PROVISIONING,
            reason=f"{reason} by {operation.requested_by}",
            operation_id=operation.id,
        )
        return None

    async def finish(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, context: StepContext
    ) -> dict[str, Any]:
        answer = context.results["activate"]
        sealed, expires = answer.get("sealed_setup_url"), answer.get("setup_expires_at")
        activation = tenants.Activation(
            access_url=answer["access_url"],
            setup_url=context.box.open(bytes.fromhex(sealed), context=_seal(context)) if sealed else None,
            setup_expires_at=datetime.fromisoformat(expires) if expires else None,
        )
        await tenants.record_activation(uow, tenant.pk, activation)
        await Operations(uow).forget_result(operation.id, "activate")  # the link is with the tenant now, once
        await tenants.transition(
            uow, tenant.pk, TenantStatus.ACTIVE, reason="the service activated it", operation_id=operation.id
        )
        await uow.emit(TenantActivated(tenant.pk, tenant.tenant_id))
        return {"access_url": activation.access_url}

    async def give_up(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, reason: str, *, clean: bool
    ) -> None:
        await tenants.transition(uow, tenant.pk, TenantStatus.FAILED, reason=reason, operation_id=operation.id)
        if not clean:
            await tenants.note_possible_orphan(uow, tenant.pk)
        await uow.emit(TenantFailed(tenant.pk, tenant.tenant_id, reason))


# --- deactivate ----------------------------------------------------------------------------------------------------


async def _deactivate(context: StepContext) -> dict[str, Any] | OperationAccepted:
    request = DeactivateRequest(reason=DeactivateReason(context.params["reason"]), preserve_data=True)
    try:
        answer = await _closed(context, request, key=context.key)
    except ServiceRefused as refused:
        if refused.error in _GONE:  # it lost the tenant: there is nothing left to close, or to keep
            return {"data_preserved": False, "deadline": None}
        raise
    if isinstance(answer, OperationAccepted):
        return answer
    if answer.status != "deactivated":
        raise ServiceLied(f"the service was asked to deactivate at once and answered {answer.status}")
    deadline = answer.reactivation_deadline
    return {"data_preserved": answer.data_preserved, "deadline": deadline.isoformat() if deadline else None}


async def _is_closed(context: StepContext) -> dict[str, Any]:
    answer = await _status_or_gone(context)
    preserved = context.results["deactivate"]["data_preserved"]
    if isinstance(answer, ServiceRefused):
        if preserved:
            raise ServiceLied(f"the service answered that it kept the tenant's data, but {_in_words(answer)}")
    elif answer.status is TenantState.ACTIVE:
        raise ServiceLied(
            f"the service answered that it deactivated {context.tenant.tenant_id}, but {_in_words(answer)}"
        )
    return {}


class _Deactivate:
    until_deadline = True  # a term that is over stays over, however long the service is away
    steps: tuple[Step, ...] = (Step("deactivate", _deactivate), Step("verify", _is_closed, again_from="deactivate"))

    async def begin(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> str | None:
        reason = f"{operation.params['reason']} by {operation.requested_by}"
        is_open = tenant.state in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}
        expired = operation.params["reason"] == DeactivateReason.SUBSCRIPTION_EXPIRED
        if is_open and expired and await subscriptions.subscribed_until(uow, tenant.pk) is not None:
            return "the subscription was renewed meanwhile"
        if is_open:
            await tenants.transition(
                uow, tenant.pk, TenantStatus.DEACTIVATING, reason=reason, operation_id=operation.id
            )
        elif tenant.state in {TenantStatus.PENDING, TenantStatus.FAILED} and operation.params.get("cancel"):
            await tenants.transition(uow, tenant.pk, TenantStatus.CANCELLED, reason=reason, operation_id=operation.id)
            if tenant.activated:
                await tenants.note_possible_orphan(uow, tenant.pk)  # a failed return: its data are still there
            return "the tenant was never active, and is cancelled"
        elif tenant.state is not TenantStatus.DEACTIVATING:
            return f"the tenant is {tenant.state}"
        return None

    async def finish(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, context: StepContext
    ) -> dict[str, Any]:
        answer = context.results["deactivate"]
        preserved = bool(answer["data_preserved"])
        deadline = datetime.fromisoformat(answer["deadline"]) if answer["deadline"] else uow.now() + PRESERVED_FOR
        await tenants.record_deactivation(
            uow,
            tenant.pk,
            data_preserved=preserved,
            deadline=deadline if preserved else None,
            reason=operation.params["reason"],
        )
        await tenants.transition(
            uow, tenant.pk, TenantStatus.DEACTIVATED, reason="the service deactivated it", operation_id=operation.id
        )
        await uow.emit(TenantDeactivated(tenant.pk, tenant.tenant_id))
        return {"data_preserved": preserved, "reactivation_deadline": deadline.isoformat() if preserved else None}

    async def give_up(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, reason: str, *, clean: bool
    ) -> None:
        await tenants.note_failure(uow, tenant.pk, reason)


# --- purge ---------------------------------------------------------------------------------------------------------


async def _purge(context: StepContext) -> dict[str, Any] | OperationAccepted:
    try:
        if context.access.manifest.declares("purge"):
            return await _deleted(context)
        request = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=False)
        answer = await _closed(context, request, key=context.key)
    except ServiceRefused as refused:
        if refused.error in _GONE:
            return {"answer": f"{refused.status} {refused.error or ''}".rstrip()}
        raise
    if isinstance(answer, OperationAccepted):
        return answer
    if answer.data_preserved:
        raise ServiceLied("the service was asked to delete the tenant's data and answered that it kept them")
    return {"answer": f"200 {answer.status}, data_preserved: false"}


async def _deleted(context: StepContext) -> dict[str, Any] | OperationAccepted:
    """Delete by the call that a service declares for it, which answers with a receipt."""
    tenant_id = context.tenant.tenant_id
    receipt = await context.answer(
        DeletionReceipt, lambda: context.driver.purge(context.access, tenant_id, idempotency_key=context.key)
    )
    if isinstance(receipt, OperationAccepted):
        return receipt
    kept = receipt.model_dump(mode="json", exclude_none=True)
    return {"answer": f"200 purged at {kept['purged_at']}", "receipt": kept}


async def _is_gone(context: StepContext) -> dict[str, Any]:
    answer = await _status_or_gone(context)
    if not isinstance(answer, ServiceRefused) and answer.status is not TenantState.DEACTIVATED:
        raise ServiceLied(f"the service answered that it deleted the tenant's data, but {_in_words(answer)}")
    return {"answer": _in_words(answer)}


class _Purge:
    until_deadline = True
    steps: tuple[Step, ...] = (Step("purge", _purge), Step("verify", _is_gone, again_from="purge"))

    async def begin(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> str | None:
        if tenant.state is TenantStatus.PURGED:
            return "the tenant is purged already"
        if tenant.state is not TenantStatus.PURGING:
            reason = f"purge by {operation.requested_by}"
            await tenants.transition(uow, tenant.pk, TenantStatus.PURGING, reason=reason, operation_id=operation.id)
        return None

    async def finish(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, context: StepContext
    ) -> dict[str, Any]:
        await tenants.record_purge(uow, tenant.pk)
        await tenants.transition(
            uow, tenant.pk, TenantStatus.PURGED, reason="the service deleted its data", operation_id=operation.id
        )
        await uow.emit(TenantPurged(tenant.pk, tenant.tenant_id))
        return {
            "purged_at": uow.now().isoformat(),
            "service_answered": context.results["purge"]["answer"],
            "verified": context.results["verify"]["answer"],
            "receipt": context.results["purge"].get("receipt"),
        }

    async def give_up(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, reason: str, *, clean: bool
    ) -> None:
        await tenants.note_failure(uow, tenant.pk, reason)


_ACTIVATE = _Activate()
SAGAS: dict[OperationKind, Saga] = {
    OperationKind.ACTIVATE: _ACTIVATE,
    OperationKind.REACTIVATE: _ACTIVATE,
    OperationKind.DEACTIVATE: _Deactivate(),
    OperationKind.PURGE: _Purge(),
}
