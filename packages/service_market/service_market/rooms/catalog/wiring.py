"""What the composition root sees of the catalogue."""

from __future__ import annotations

from service_market.core.events import EventBus
from service_market.rooms.catalog import models
from service_market.rooms.catalog.jobs import jobs
from service_market.rooms.catalog.listeners import on_token_created
from service_market.rooms.catalog.router import router
from service_market.rooms.identity.events import TokenCreated

__all__ = ["jobs", "listen", "models", "router"]


def listen(events: EventBus) -> None:
    """Register the room's listeners."""
    events.on(TokenCreated, on_token_created)
