"""A market for vendors to develop against, in one process and without a database.

``mt-paas simulate`` is the command line over it; :func:`simulation` runs one inside of a test. The market registers a
service by its manifest, drives its tenants with the market's own client and state machine, judges every answer by the
contract, does wrong on purpose what networks do (``Knobs``), takes the service's signed events, and shows all of it.
Needs the extra ``simulator``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mt_paas.utils.lazy import lazy

if TYPE_CHECKING:
    from mt_paas.simulator.knobs import Knobs
    from mt_paas.simulator.run import Options, Simulation, simulate, simulation
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "mt_paas.simulator.knobs": ["Knobs"],
            "mt_paas.simulator.run": ["Options", "Simulation", "simulate", "simulation"],
        },
    )

__all__ = ["Knobs", "Options", "Simulation", "simulate", "simulation"]
