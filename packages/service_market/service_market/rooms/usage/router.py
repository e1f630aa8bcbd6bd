"""HTTP of metering."""

from __future__ import annotations

from fastapi import APIRouter

from service_market.core.deps import Uow
from service_market.core.envelope import Envelope, Page
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.rooms.tenants.errors import TenantNotFound
from service_market.rooms.usage import service
from service_market.rooms.usage.schemas import ReportUsage, UsageOut

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, prefix="/tenants/{tenant_id}/usage", tags=["usage"])


@router.post(
    "",
    operation_id="reportUsage",
    summary="Report a tenant's usage",
    responses=answers(TenantNotFound),
    dependencies=[require("usage:report")],
)
async def report_usage(tenant_id: str, new: ReportUsage, uow: Uow) -> Envelope[UsageOut]:
    """Keep a report; the same `source_id` again corrects it and adds nothing."""
    kept = await service.report(uow, tenant_id, source_id=new.source_id, period=new.period, usage=new.usage)
    return Envelope(data=UsageOut.model_validate(kept))


@router.get(
    "",
    operation_id="listUsage",
    summary="List a tenant's usage records",
    responses=answers(TenantNotFound),
    dependencies=[require("usage:read")],
)
async def list_usage(tenant_id: str, uow: Uow, paging: Paging) -> Page[UsageOut]:
    """List what was reported, newest first."""
    return as_page(await service.records(uow, tenant_id, paging), UsageOut.model_validate)
