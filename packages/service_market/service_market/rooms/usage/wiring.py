"""What the composition root sees of metering."""

from __future__ import annotations

from service_market.core.events import EventBus
from service_market.rooms.reports.events import ServiceReported
from service_market.rooms.usage import models
from service_market.rooms.usage.listeners import on_reported
from service_market.rooms.usage.router import router

__all__ = ["listen", "models", "router"]


def listen(events: EventBus) -> None:
    """Register the room's listeners."""
    events.on(ServiceReported, on_reported)
