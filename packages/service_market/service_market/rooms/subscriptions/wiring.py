"""What the composition root sees of subscriptions."""

from __future__ import annotations

from service_market.core.events import EventBus
from service_market.rooms.subscriptions import models
from service_market.rooms.subscriptions.jobs import jobs
from service_market.rooms.subscriptions.listeners import on_tenant_purged
from service_market.rooms.subscriptions.router import router
from service_market.rooms.tenants.events import TenantPurged

__all__ = ["jobs", "listen", "models", "router"]


def listen(events: EventBus) -> None:
    """Register the room's listeners."""
    events.on(TenantPurged, on_tenant_purged)
