"""What the composition root sees of the catalogue."""

from __future__ import annotations

from service_market.rooms.catalog import models
from service_market.rooms.catalog.jobs import jobs
from service_market.rooms.catalog.router import router

__all__ = ["jobs", "models", "router"]
