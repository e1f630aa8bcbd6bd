"""What the API says of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from service_market.core.envelope import Wire

__all__ = ["ReportedEventOut"]


class ReportedEventOut(Wire):
    """What a service told of its own accord. It is the service's word: the market did not ask whether it is so."""

    event_id: Annotated[str, Field(examples=["evt_4e1d1a0c9b7f"], description="The service's own id of the event.")]
    type: Annotated[
        str, Field(examples=["tenant.limit_reached"], description="Also one that the market has no use for.")
    ]
    data: Annotated[dict[str, Any], Field(examples=[{"limit": "max_users", "value": 500}])]
    happened_at: Annotated[datetime, Field(description="When it happened, as the service says.")]
    received_at: datetime
