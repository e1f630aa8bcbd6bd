"""What the simulated market does wrong on purpose, how often, and by which dice.

The knobs are rates, and may be turned while the market runs. Whether a call is hit depends on the seed, on which tenant
of the run it is about (the first, the second, whatever their names), on the kind of call and on how many such calls
there were: the same seed and the same commands give the same faults, whatever else was under way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from mt_paas.errors import ConfigurationError

__all__ = ["MAX_DELAY", "Dice", "Knobs"]

MAX_DELAY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Knobs:
    """``delay`` is in seconds, before each call; the others are rates, from 0 (never) to 1 (always).

    ``fail``: the market hangs up after sending, or gives up before it reads the answer, and tries again. ``repeat``: a
    call that was answered is sent once more. ``disorder``: a call overtakes another, or comes late.
    """

    delay: float = 0.0
    fail: float = 0.0
    repeat: float = 0.0
    disorder: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            top = MAX_DELAY if name == "delay" else 1.0
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
                what = f"a number of seconds from 0 to {top:g}" if name == "delay" else "a rate from 0 to 1"
                raise ConfigurationError(f"{name} is {what}, not {value!r}")

    def turned(self, changes: Mapping[str, Any]) -> Knobs:
        """Return the knobs after ``changes``. Raises ``ConfigurationError``, and names the knobs that there are."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigurationError(f"there is no knob {name!r}; there are {', '.join(known)}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, float]:
        """Return each knob and its position."""
        return asdict(self)

    def __str__(self) -> str:
        return "  ".join(f"{name}={value:g}{' s' if name == 'delay' else ''}" for name, value in asdict(self).items())


class Dice:
    """Decides by ``seed``; see the module."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._rolled: Counter[str] = Counter()
        self._tenants: dict[str | None, int] = {None: 0}

    def falls(self, rate: float, what: str, call: str, tenant_id: str | None) -> bool:
        """Return whether ``what`` happens to this call, as it does at the given rate."""
        return self._roll(what, call, tenant_id).random() < rate

    def choose(self, options: tuple[str, ...], what: str, call: str, tenant_id: str | None) -> str:
        """Return one of the options."""
        return self._roll(what, call, tenant_id).choice(options)

    def _roll(self, what: str, call: str, tenant_id: str | None) -> random.Random:
        kind = f"{what}/{call}/{self._tenants.setdefault(tenant_id, len(self._tenants))}"
        self._rolled[kind] += 1
        return random.Random(f"{self.seed}/{kind}/{self._rolled[kind]}")  # noqa: S311 - is to be the same again
