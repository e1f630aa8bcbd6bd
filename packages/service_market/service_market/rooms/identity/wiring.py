"""What the composition root sees of identity."""

from __future__ import annotations

from service_market.rooms.identity import models
from service_market.rooms.identity.router import router

__all__ = ["models", "router"]
