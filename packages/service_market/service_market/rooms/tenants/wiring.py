"""What the composition root sees of the tenant registry."""

from __future__ import annotations

from service_market.rooms.tenants import models
from service_market.rooms.tenants.router import router

__all__ = ["models", "router"]
