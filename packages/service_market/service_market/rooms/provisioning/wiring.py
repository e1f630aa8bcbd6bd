"""What the composition root sees of provisioning."""

from __future__ import annotations

from service_market.core.events import EventBus
from service_market.rooms.provisioning import listeners, models
from service_market.rooms.provisioning.jobs import jobs
from service_market.rooms.provisioning.router import router
from service_market.rooms.provisioning.service.runner import Checkpoint, RetryPolicy, Runner, no_checkpoint
from service_market.rooms.reports.events import ServiceReported
from service_market.rooms.subscriptions.events import (
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionRenewed,
    SubscriptionStarted,
)

__all__ = ["Checkpoint", "RetryPolicy", "Runner", "jobs", "listen", "models", "no_checkpoint", "router"]


def listen(events: EventBus) -> None:
    """Register the room's listeners."""
    events.on(SubscriptionStarted, listeners.on_started)
    events.on(SubscriptionRenewed, listeners.on_renewed)
    events.on(SubscriptionExpired, listeners.on_expired)
    events.on(SubscriptionCancelled, listeners.on_cancelled)
    events.on(ServiceReported, listeners.on_reported)
