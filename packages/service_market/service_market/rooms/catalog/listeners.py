"""What the catalogue does when something happens below it."""

from __future__ import annotations

from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog.service import find_service
from service_market.rooms.identity.events import TokenCreated

__all__ = ["on_token_created"]


async def on_token_created(uow: UnitOfWork, event: TokenCreated) -> None:
    """Refuse a token for a service that is not there. Raises ``ServiceNotFound``."""
    if event.service_id is not None:
        await find_service(uow, event.service_id)
