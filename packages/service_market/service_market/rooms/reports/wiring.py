"""What the composition root sees of reports."""

from __future__ import annotations

from service_market.core.events import EventBus
from service_market.rooms.reports import models
from service_market.rooms.reports.jobs import jobs
from service_market.rooms.reports.listeners import on_purged
from service_market.rooms.reports.router import callbacks, router
from service_market.rooms.tenants.events import TenantPurged

__all__ = ["callbacks", "jobs", "listen", "models", "router"]


def listen(events: EventBus) -> None:
    """Register the room's listeners."""
    events.on(TenantPurged, on_purged)
