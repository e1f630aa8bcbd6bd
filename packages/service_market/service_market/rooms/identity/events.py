"""What happens in identity."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from service_market.core.events import Event

__all__ = ["TokenCreated"]


@dataclass(frozen=True, slots=True)
class TokenCreated(Event):
    """A token was created; one of the role ``service`` names its service."""

    token_id: UUID
    service_id: str | None
