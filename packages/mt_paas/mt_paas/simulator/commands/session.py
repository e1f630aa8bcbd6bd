"""Carries out commands one after the other: for the prompt, for a script, and for the page.

Commands about one tenant wait for each other; those about different tenants do not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from mt_paas.errors import ConfigurationError, IllegalTransition, MtPaasError, NotImplementedByService, ServiceCallError
from mt_paas.simulator.commands.grammar import CommandError, Words, parse
from mt_paas.simulator.commands.registry import COMMANDS, Command
from mt_paas.simulator.health import HealthWatch
from mt_paas.simulator.incoming import Inbox
from mt_paas.simulator.market import CannotDo, Market
from mt_paas.simulator.registration import Registration
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.simulator.verdicts import reason

__all__ = ["Outcome", "Session"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command. ``error`` and ``status`` are those of the service's refusal; ``is_usage``: never sent."""

    line: str
    is_ok: bool
    text: str
    answer: Any = None
    tenant_id: str | None = None
    status: int | None = None
    error: str | None = None
    is_usage: bool = False
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def told_links(self) -> list[str]:
        """The links, a line each, for the person who asked."""
        return [f"{name}: {link}" for name, link in self.links.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        return {
            "command": self.line,
            "ok": self.is_ok,
            "text": self.text,
            "answer": self.answer,
            "tenant_id": self.tenant_id,
            "status": self.status,
            "error": self.error,
            "links": dict(self.links),
        }


class Session:
    """See the module. ``registers`` finds the service's manifest anew."""

    def __init__(
        self, market: Market, inbox: Inbox, health: HealthWatch, registers: Callable[[], Awaitable[Registration]]
    ) -> None:
        self.market = market
        self.inbox = inbox
        self.health = health
        self.registers = registers
        self.last: Outcome | None = None
        self.last_tenant: str | None = None

    async def run(self, line: str) -> Outcome | None:
        """Carry out one line, and return what came of it; None for an empty one. Raises nothing of mt_paas."""
        try:
            words = parse(line)
            if words is None:
                return None
            outcome = await self._carried_out(self._command(words.name), words)
        except (CommandError, CannotDo, ConfigurationError, IllegalTransition) as error:
            outcome = Outcome(line.strip(), is_ok=False, text=str(error), is_usage=True)
        except ServiceCallError as error:
            text = self.market.mask.text(reason(error))
            outcome = Outcome(line.strip(), is_ok=False, text=text, status=error.status, error=error.error)
        except MtPaasError as error:
            outcome = Outcome(line.strip(), is_ok=False, text=self.market.mask.text(str(error)))
        if not line.split(maxsplit=1)[0].startswith("expect"):
            self.last = outcome
        return outcome

    def known(self, tenant_id: str) -> SimulatedTenant:
        """Return a tenant of the market. Raises ``CannotDo``."""
        tenant = self.market.tenants.get(tenant_id)
        if tenant is None:
            there = [each.tenant_id for each in self.market.tenants]
            guess = get_close_matches(tenant_id, there, n=1)
            hint = f"did you mean {guess[0]}?" if guess else f"make it by: activate {tenant_id}"
            raise CannotDo(f"this market has no tenant {tenant_id}; {hint}")
        return tenant

    def offered(self) -> list[Command]:
        """Return the commands that this service declares the calls for."""
        return [each for each in COMMANDS.values() if each.endpoint is None or self._declares(each.endpoint)]

    def _command(self, name: str) -> Command:
        found = COMMANDS.get(name)
        if found is None:
            guess = get_close_matches(name, COMMANDS, n=1)
            raise CommandError(
                f"there is no command {name!r}" + (f"; did you mean {guess[0]}?" if guess else "; see: help")
            )
        if found.endpoint is not None and not self._declares(found.endpoint):
            _ = self.market.manifest  # raises where there is none
            raise CannotDo(f"{name}: the manifest declares no endpoints.{found.endpoint}")
        return found

    def _declares(self, endpoint: str) -> bool:
        return self.market.registration.declares(endpoint)

    async def _carried_out(self, command: Command, words: Words) -> Outcome:
        tenant_id = words.positional[0] if command.states is not None and words.positional else None
        async with AsyncExitStack() as stack:
            if tenant_id is not None:
                await stack.enter_async_context(self.market.locks[tenant_id])
                self.last_tenant = tenant_id
            try:
                reply = await command.run(self, words)
            except NotImplementedByService as error:
                raise CannotDo(error.message) from None
        return Outcome(
            words.line, is_ok=True, text=reply.text, answer=reply.answer, tenant_id=tenant_id, links=reply.links
        )
