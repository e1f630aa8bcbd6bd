"""What happens in the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from service_market.core.events import Event

__all__ = ["ServiceListed", "ServiceRejected"]


@dataclass(frozen=True, slots=True)
class ServiceListed(Event):
    """A service passed verification and can be subscribed to."""

    service_id: str


@dataclass(frozen=True, slots=True)
class ServiceRejected(Event):
    """A service did not pass verification."""

    service_id: str
    reason: str
