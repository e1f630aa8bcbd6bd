"""Services with one planted fault each, on which the tester must find it: what the tester itself is tested by.

Every mutant is the right service of ``mt_paas.testing`` with one sentence of the contract broken, in the handler or on
the wire. :func:`all_mutants` finds them: a file here is found by being there.
"""

from __future__ import annotations

import importlib
import pkgutil

from mutants.planting import MUTANTS, Mutant

__all__ = ["Mutant", "all_mutants"]


def all_mutants() -> list[Mutant]:
    """Return every mutant, by file."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return list(MUTANTS.values())
