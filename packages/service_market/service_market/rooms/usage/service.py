"""Use cases of metering: a report comes in, and records are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service_market.core.paging import PageRequest, Slice
from service_market.core.uow import UnitOfWork
from service_market.rooms.tenants import public as tenants
from service_market.rooms.usage.models import UsageRecord
from service_market.rooms.usage.repository import UsageRecords

__all__ = ["hear", "records", "report"]


async def report(
    uow: UnitOfWork, tenant_id: str, *, source_id: str | None, period: str, usage: Mapping[str, Decimal]
) -> UsageRecord:
    """Keep a report, exactly; the same source id again corrects it. Raises ``TenantNotFound``."""
    tenant = await tenants.find_tenant(uow, tenant_id)
    now, records = uow.now(), UsageRecords(uow)
    return await records.put(
        tenant.pk, source_id or period, period=period, usage=_exact(usage), received_at=now, as_of=now
    )


async def hear(
    uow: UnitOfWork,
    tenant_pk: UUID,
    *,
    source_id: str | None,
    period: str,
    usage: Mapping[str, Decimal],
    as_of: datetime,
) -> None:
    """Keep a report that came as an event; events may come in another order than they happened: the newest counts."""
    await UsageRecords(uow).put_if_newer(
        tenant_pk, source_id or period, period=period, usage=_exact(usage), received_at=uow.now(), as_of=as_of
    )


def _exact(usage: Mapping[str, Decimal]) -> dict[str, str]:
    return {meter: str(quantity) for meter, quantity in usage.items()}


async def records(uow: UnitOfWork, tenant_id: str, request: PageRequest) -> Slice[UsageRecord]:
    """Return a page of a tenant's records, newest first. Raises ``TenantNotFound``."""
    tenant = await tenants.find_tenant(uow, tenant_id)
    return await UsageRecords(uow).page(tenant.pk, request)
