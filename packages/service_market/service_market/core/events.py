"""Events: how a room tells the rooms above it what happened, inside the transaction in which it happened.

A listener runs in the emitter's unit of work. If it fails, nothing of the change stays; what it starts (an operation, a
job) is committed with the change that caused it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from service_market.core.uow import UnitOfWork

__all__ = ["Event", "EventBus"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a past-tense name and the ids of what it happened to."""


E = TypeVar("E", bound=Event)
Listener = Callable[["UnitOfWork", Any], Awaitable[None]]


class EventBus:
    """Knows who listens to what. Filled once, when the market is assembled."""

    def __init__(self) -> None:
        self._listeners: dict[type[Event], list[Listener]] = defaultdict(list)

    def on(self, event: type[E], listener: Callable[[UnitOfWork, E], Awaitable[None]]) -> None:
        """Call ``listener`` for every event of this type from now on."""
        self._listeners[event].append(listener)

    async def publish(self, uow: UnitOfWork, event: Event) -> None:
        """Call every listener of the event, in the order of their registration, in ``uow``."""
        for listener in self._listeners[type(event)]:
            await listener(uow, event)
