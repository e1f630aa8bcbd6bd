"""What a person, a script or the page can have the simulated market do; one module for each area."""

from __future__ import annotations

from mt_paas.simulator.commands import dashboard, expectations, extensions, lifecycle, running
from mt_paas.simulator.commands.grammar import CommandError
from mt_paas.simulator.commands.registry import COMMANDS, Command
from mt_paas.simulator.commands.session import Outcome, Session

__all__ = ["COMMANDS", "Command", "CommandError", "Outcome", "Session"]

# The modules fill the list when they are imported; people get it in this order.
_AREAS = [area.__name__ for area in (lifecycle, dashboard, extensions, running, expectations)]
_IN_ORDER = sorted(COMMANDS.values(), key=lambda each: _AREAS.index(each.run.__module__))
COMMANDS.clear()
COMMANDS.update((each.name, each) for each in _IN_ORDER)
