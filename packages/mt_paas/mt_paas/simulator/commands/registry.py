"""The list of commands: what each is called and takes, which endpoint it needs, and in which states it makes sense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.simulator.commands.grammar import Words

if TYPE_CHECKING:
    from mt_paas.simulator.commands.session import Session

__all__ = ["COMMANDS", "Command", "Reply", "command"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command has to say: one line or a few, and the answer of the service as JSON.

    ``links`` let in whoever has them: they are shown to the person who asked, and are in no log.
    """

    text: str
    answer: Any = None
    links: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[["Session", Words], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``states`` are those of a tenant in which a market would use it; None: it is about no tenant."""

    name: str
    usage: str
    summary: str
    run: Handler
    endpoint: str | None = None
    states: frozenset[TenantStatus] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what the page makes a button of."""
        return {
            "name": self.name,
            "usage": self.usage,
            "summary": self.summary,
            "states": None if self.states is None else sorted(self.states),
        }


COMMANDS: dict[str, Command] = {}

_BORN = frozenset({TenantStatus.ACTIVE, TenantStatus.SUSPENDED, TenantStatus.DEACTIVATED})


@dataclass(frozen=True, slots=True)
class _States:
    """Named sets of states, for the table."""

    active: frozenset[TenantStatus] = frozenset({TenantStatus.ACTIVE})
    suspended: frozenset[TenantStatus] = frozenset({TenantStatus.SUSPENDED})
    open: frozenset[TenantStatus] = frozenset({TenantStatus.ACTIVE, TenantStatus.SUSPENDED, TenantStatus.DEACTIVATING})
    closed: frozenset[TenantStatus] = frozenset({TenantStatus.DEACTIVATED, TenantStatus.FAILED})
    gone: frozenset[TenantStatus] = frozenset({TenantStatus.DEACTIVATED, TenantStatus.PURGING})
    there: frozenset[TenantStatus] = field(default=_BORN)
    any: frozenset[TenantStatus] = frozenset(TenantStatus)


IN = _States()


def command(
    usage: str, *, needs: str | None = None, states: frozenset[TenantStatus] | None = None
) -> Callable[[Handler], Handler]:
    """Add a function to the list; its docstring is the summary. ``needs`` is the endpoint that must be declared."""
    name = usage.split(maxsplit=1)[0]

    def add(handler: Handler) -> Handler:
        summary = (handler.__doc__ or "").strip().splitlines()[0]
        COMMANDS[name] = Command(name, usage, summary, handler, needs, states)
        return handler

    return add
