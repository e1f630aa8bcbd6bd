"""HTTP of provisioning: what does something to a tenant, and the operations by which it is watched."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from service_market.core.deps import Uow, unless
from service_market.core.envelope import Envelope, Meta, Page, operation_link
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.core.uow import UnitOfWork
from service_market.rooms.provisioning.errors import (
    DataNotPreserved,
    OperationInProgress,
    OperationNotFound,
    ReactivationDeadlinePassed,
    TenantInWrongState,
)
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.schemas import (
    DeactivateTenant,
    OperationError,
    OperationOut,
    ReactivateTenant,
    StepOut,
)
from service_market.rooms.provisioning.service import operations
from service_market.rooms.provisioning.types import OperationKind, OperationState
from service_market.rooms.subscriptions.errors import SubscriptionNotActive
from service_market.rooms.tenants.errors import TenantNotFound

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, tags=["provisioning"])
OperationId = Annotated[UUID, unless(OperationNotFound)]
_OPERATION: dict[int | str, dict[str, Any]] = {
    202: {
        "links": {
            "operation": {
                "operationId": "getOperation",
                "parameters": {"operation_id": "$response.body#/data/id"},
                "description": "Poll until `state` is `succeeded` or `failed`.",
            }
        }
    }
}


@router.post(
    "/tenants/{tenant_id}/provision",
    operation_id="provisionTenant",
    summary="Provision a pending tenant, or retry one that failed",
    status_code=202,
    responses=_OPERATION | answers(TenantNotFound, OperationInProgress, TenantInWrongState, SubscriptionNotActive),
    dependencies=[require("tenants:provision")],
)
async def provision_tenant(tenant_id: str, uow: Uow) -> Envelope[OperationOut]:
    """Start the activation; while one is under way, answer that one."""
    return await _started(uow, await operations.provision(uow, tenant_id))


@router.post(
    "/tenants/{tenant_id}/deactivate",
    operation_id="deactivateTenant",
    summary="Deactivate a tenant, keeping its data",
    status_code=202,
    responses=_OPERATION | answers(TenantNotFound, OperationInProgress, TenantInWrongState),
    dependencies=[require("tenants:write")],
)
async def deactivate_tenant(tenant_id: str, asked: DeactivateTenant, uow: Uow) -> Envelope[OperationOut]:
    """Close the tenant for its users. It can be brought back until its reactivation deadline."""
    return await _started(uow, await operations.deactivate(uow, tenant_id, asked.reason))


@router.post(
    "/tenants/{tenant_id}/reactivate",
    operation_id="reactivateTenant",
    summary="Bring a deactivated tenant back with its data",
    status_code=202,
    responses=_OPERATION
    | answers(
        TenantNotFound,
        OperationInProgress,
        TenantInWrongState,
        SubscriptionNotActive,
        ReactivationDeadlinePassed,
        DataNotPreserved,
    ),
    dependencies=[require("tenants:write")],
)
async def reactivate_tenant(tenant_id: str, asked: ReactivateTenant, uow: Uow) -> Envelope[OperationOut]:
    """Bring it back; `renew_months` renews its subscription at the same time, if that has ended."""
    return await _started(uow, await operations.reactivate(uow, tenant_id, renew_months=asked.renew_months))


@router.post(
    "/tenants/{tenant_id}/purge",
    operation_id="purgeTenant",
    summary="Delete a deactivated tenant's data for ever",
    status_code=202,
    responses=_OPERATION | answers(TenantNotFound, OperationInProgress, TenantInWrongState),
    dependencies=[require("tenants:purge")],
)
async def purge_tenant(tenant_id: str, uow: Uow) -> Envelope[OperationOut]:
    """Have the service delete the data. There is no way back; the operation's result is the receipt."""
    return await _started(uow, await operations.purge(uow, tenant_id))


@router.get(
    "/operations", operation_id="listOperations", summary="List operations", dependencies=[require("operations:read")]
)
async def list_operations(
    uow: Uow,
    paging: Paging,
    tenant_id: Annotated[str | None, Query(description="Only operations on this tenant.")] = None,
    state: Annotated[OperationState | None, Query(description="Only operations in this state.")] = None,
) -> Page[OperationOut]:
    """List operations that the caller may see, newest first."""
    return as_page(await Operations(uow).page(paging, tenant_id=tenant_id, state=state), _shown)


@router.get(
    "/operations/{operation_id}",
    operation_id="getOperation",
    summary="Show an operation",
    responses=answers(OperationNotFound),
    dependencies=[require("operations:read")],
)
async def get_operation(operation_id: OperationId, uow: Uow) -> Envelope[OperationOut]:
    """Show one operation with its steps."""
    return Envelope(data=_shown(await operations.find(uow, operation_id)))


async def _started(uow: UnitOfWork, operation_id: UUID) -> Envelope[OperationOut]:
    shown = _shown(await operations.find(uow, operation_id))
    return Envelope(data=shown, meta=Meta(operation=operation_link(operation_id)))


def _shown(row: Operation) -> OperationOut:
    error = None
    if row.error_message and row.state != OperationState.SUCCEEDED:
        error = OperationError(code=row.error_code or "unknown", message=row.error_message)
    return OperationOut(
        id=row.id,
        kind=OperationKind(row.kind),
        tenant_id=row.tenant_id,
        service_id=row.service_id,
        state=OperationState(row.state),
        attempt=row.attempt,
        error=error,
        steps=[StepOut.model_validate(step) for step in row.steps],
        result=row.result,
        requested_by=row.requested_by,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
