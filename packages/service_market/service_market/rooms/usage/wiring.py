"""What the composition root sees of metering."""

from __future__ import annotations

from service_market.rooms.usage import models
from service_market.rooms.usage.router import router

__all__ = ["models", "router"]
