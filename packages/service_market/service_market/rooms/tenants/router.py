"""HTTP of the tenant registry. What *does* something to a tenant is with provisioning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service_market.core.deps import Uow
from service_market.core.envelope import Envelope, Page
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.rooms.tenants import service
from service_market.rooms.tenants.errors import SetupLinkTaken, TenantNotFound
from service_market.rooms.tenants.repository import Tenants
from service_market.rooms.tenants.schemas import ReportedStatus, SetupLinkOut, TenantOut, TransitionOut
from service_market.rooms.tenants.types import TenantStatus

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, prefix="/tenants", tags=["tenants"])


@router.get("", operation_id="listTenants", summary="List tenants", dependencies=[require("tenants:read")])
async def list_tenants(
    uow: Uow,
    paging: Paging,
    state: Annotated[TenantStatus | None, Query(description="Only tenants in this state.")] = None,
    service_id: Annotated[str | None, Query(description="Only tenants of this service.")] = None,
    may_be_orphaned: Annotated[
        bool | None, Query(description="Only tenants that their service may still hold.")
    ] = None,
) -> Page[TenantOut]:
    """List tenants that the caller may see, newest first."""
    part = await Tenants(uow).page(paging, state=state, service_id=service_id, may_be_orphaned=may_be_orphaned)
    return as_page(part, TenantOut.model_validate)


@router.get(
    "/{tenant_id}",
    operation_id="getTenant",
    summary="Show a tenant",
    responses=answers(TenantNotFound),
    dependencies=[require("tenants:read")],
)
async def get_tenant(tenant_id: str, uow: Uow) -> Envelope[TenantOut]:
    """Show one tenant."""
    return Envelope(data=TenantOut.model_validate(await service.find(uow, tenant_id)))


@router.get(
    "/{tenant_id}/history",
    operation_id="getTenantHistory",
    summary="Show every step of a tenant's life",
    responses=answers(TenantNotFound),
    dependencies=[require("tenants:read")],
)
async def get_history(tenant_id: str, uow: Uow) -> Envelope[list[TransitionOut]]:
    """Show who moved the tenant to which state, when and why, first to last."""
    return Envelope(data=[TransitionOut.model_validate(row) for row in await service.history(uow, tenant_id)])


@router.post(
    "/{tenant_id}/setup-link",
    operation_id="takeSetupLink",
    summary="Take the administrator's set-up link, once",
    responses=answers(TenantNotFound, SetupLinkTaken),
    dependencies=[require("tenants:write")],
)
async def take_setup_link(tenant_id: str, uow: Uow, response: Response) -> Envelope[SetupLinkOut]:
    """Show the link by which the tenant's administrator gets in, and forget it."""
    response.headers["Cache-Control"] = "no-store"
    link, expires_at = await service.take_setup_link(uow, tenant_id)
    return Envelope(data=SetupLinkOut(setup_url=link, expires_at=expires_at))


@router.patch(
    "/{tenant_id}/status",
    operation_id="reportTenantStatus",
    summary="Report what the service sees of its tenant",
    responses=answers(TenantNotFound),
    dependencies=[require("tenants:report")],
)
async def report_status(tenant_id: str, report: ReportedStatus, uow: Uow) -> Envelope[TenantOut]:
    """Note the report beside the tenant's state, which only operations change."""
    return Envelope(data=TenantOut.model_validate(await service.report_status(uow, tenant_id, report.status)))
