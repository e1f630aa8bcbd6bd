"""Asks the service once a minute how it is, and says when that changes; three times unhealthy in a row is an alert."""

from __future__ import annotations

import asyncio

from mt_paas.errors import ServiceCallError
from mt_paas.simulator.journal import Level
from mt_paas.simulator.market import CannotDo, Market
from mt_paas.simulator.verdicts import reason
from mt_paas.standard_api.models import HealthStatus

__all__ = ["ALERT_AFTER", "HealthWatch"]

ALERT_AFTER = 3  # unhealthy results in a row: the rule of the market's dashboard
_EAGER = 0.2  # seconds between two questions while somebody waits


class HealthWatch:
    """See the module. ``every`` is in seconds. ``status`` is what was last heard; None: nothing yet."""

    def __init__(self, market: Market, *, every: float = 60.0) -> None:
        self._market = market
        self._every = every
        self.status: str | None = None
        self.unhealthy = 0

    @property
    def is_alerting(self) -> bool:
        """Whether the market would show an alert now."""
        return self.unhealthy >= ALERT_AFTER

    async def run(self) -> None:
        """Ask for ever, beginning now."""
        while True:
            await self.ask()
            await asyncio.sleep(self._every)

    async def ask(self) -> None:
        """Ask once. The knobs leave these calls alone, so that they move no dice."""
        try:
            answered = await self._market.ask("health", lambda client: client.health(), is_calm=True)
        except CannotDo:
            self.heard("unknown", "there is no manifest that says where to ask")
        except ServiceCallError as error:
            self.heard("unreachable", reason(error))
        else:
            self.heard(answered.answer.status)

    def heard(self, status: str, why: str = "") -> None:
        """Take one result, and say what it changes."""
        before, self.status = self.status, status
        journal = self._market.journal
        if status != before:
            change = f"the service is {status}" if before is None else f"health: {before} → {status}"
            level = Level.GOOD if status == HealthStatus.HEALTHY else Level.WARNING
            journal.note(level, f"{change}: {why}" if why else change)
        was_alerting = self.is_alerting
        self.unhealthy = self.unhealthy + 1 if status in {HealthStatus.UNHEALTHY, "unreachable"} else 0
        if self.is_alerting and not was_alerting:
            text = f"ALERT: {status} {ALERT_AFTER} times in a row; a market would now call its operator"
            journal.note(Level.ALERT, text)
        elif was_alerting and not self.is_alerting:
            journal.note(Level.GOOD, "the alert is over")

    async def wait_until(self, status: str, within: float) -> None:
        """Ask until the service is ``status``. Raises ``CannotDo`` when it is not within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self.ask()
                while self.status != status:
                    await asyncio.sleep(_EAGER)
                    await self.ask()
        except TimeoutError:
            raise CannotDo(f"the service is {self.status}, and not {status} within {within:g} s") from None
