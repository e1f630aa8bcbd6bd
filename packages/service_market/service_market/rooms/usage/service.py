"""Use cases of metering: a report comes in, and records are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from service_market.core.paging import PageRequest, Slice
from service_market.core.uow import UnitOfWork
from service_market.rooms.tenants import public as tenants
from service_market.rooms.usage.errors import InvalidPeriod
from service_market.rooms.usage.models import UsageRecord
from service_market.rooms.usage.repository import UsageRecords

__all__ = ["records", "report"]

_DAY = 10  # the length of YYYY-MM-DD


async def report(
    uow: UnitOfWork, tenant_id: str, *, source_id: str | None, period: str, usage: Mapping[str, Decimal]
) -> UsageRecord:
    """Keep a report, exactly; the same source id again corrects it.

    Raises ``TenantNotFound`` and :class:`InvalidPeriod`.
    """
    if len(period) == _DAY:
        try:
            date.fromisoformat(period)
        except ValueError:
            raise InvalidPeriod(f"There is no day {period}.") from None
    tenant = await tenants.find_tenant(uow, tenant_id)
    exact = {meter: str(quantity) for meter, quantity in usage.items()}
    return await UsageRecords(uow).put(
        tenant.pk, source_id or period, period=period, usage=exact, received_at=uow.now()
    )


async def records(uow: UnitOfWork, tenant_id: str, request: PageRequest) -> Slice[UsageRecord]:
    """Return a page of a tenant's records, newest first. Raises ``TenantNotFound``."""
    tenant = await tenants.find_tenant(uow, tenant_id)
    return await UsageRecords(uow).page(tenant.pk, request)
