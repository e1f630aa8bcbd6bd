"""What metering does when a service reports."""

from __future__ import annotations

from mt_paas.standard_api.models import EventType
from pydantic import ValidationError

from service_market.core.log import get_logger
from service_market.core.uow import UnitOfWork
from service_market.rooms.reports.events import ServiceReported
from service_market.rooms.usage import service
from service_market.rooms.usage.schemas import ReportUsage

__all__ = ["on_reported"]

log = get_logger(__name__)


async def on_reported(uow: UnitOfWork, event: ServiceReported) -> None:
    """Keep the figures of a ``usage.reported`` as a usage record; those that are no usage stay in the event alone."""
    if event.type != EventType.USAGE_REPORTED:
        return
    told = {name: event.data[name] for name in ReportUsage.model_fields if name in event.data}
    try:
        report = ReportUsage.model_validate(told)
    except ValidationError as error:
        log.warning("usage in an event can not be used", tenant_id=event.tenant_id, count=error.error_count())
        return
    await service.hear(
        uow,
        event.tenant_pk,
        source_id=report.source_id,
        period=report.period,
        usage=report.usage,
        as_of=event.happened_at,
    )
