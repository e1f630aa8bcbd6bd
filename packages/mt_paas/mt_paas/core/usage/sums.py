"""How a count is written as one line, and how lines become sums.

A line is ``kind day tenant meter amount``, ended by a line feed: one without it was never acknowledged. Sums are exact,
in whatever order the lines come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple

__all__ = ["COUNT", "MAX_AMOUNT", "METER_PATTERN", "PEAK", "Key", "Sums", "add", "amount_text", "head_of", "sum_up"]

COUNT, PEAK = "+", "^"
METER_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
MAX_AMOUNT = 10**15

_LINE = re.compile(
    rb"([+^]) ([0-9]{4}-[0-9]{2}-[0-9]{2}) ([a-z0-9_-]{3,63}) ([a-z][a-z0-9_]{0,62}) ([0-9]{1,16}(?:\.[0-9]{9})?)\n"
)
_DIGITS = 60  # of a sum in billionths: more amounts than anybody counts


class Key(NamedTuple):
    """What one sum is of. ``kind`` is ``COUNT``, which adds up, or ``PEAK``, of which the highest counts."""

    tenant_id: str
    day: date
    meter: str
    kind: str


Sums = dict[Key, Decimal]


def head_of(kind: str, tenant_id: str, meter: str) -> tuple[str, str]:
    """Return what stands before and after the day in the lines of a meter.

    Raises ``ValueError`` for a name that no meter has.
    """
    if not re.fullmatch(METER_PATTERN, meter):
        raise ValueError(f"{meter!r} is not the name of a meter: a small letter, then up to 62 of a-z, 0-9 and _")
    return f"{kind} ", f" {tenant_id} {meter} "


def amount_text(amount: float | Decimal) -> str:
    """Return the amount as its line has it: a whole number, or with nine decimals.

    Raises ``ValueError`` unless it is from 0 to ``MAX_AMOUNT``.
    """
    try:
        fits = 0 <= amount <= MAX_AMOUNT  # which NaN does not
    except ArithmeticError:  # of a decimal NaN
        fits = False
    if not fits:
        raise ValueError(f"{amount} can not be counted: an amount is from 0 to {MAX_AMOUNT}")
    return str(int(amount)) if amount == int(amount) else f"{amount:.9f}"


def add(sums: Sums, key: Key, amount: Decimal) -> None:
    """Add one more amount to the sum of ``key``."""
    with localcontext(prec=_DIGITS):
        _add(sums, key, amount)


def sum_up(lines: Iterable[bytes]) -> tuple[Sums, int]:
    """Return the sums of the lines, and how many lines there were that are none of ours.

    A last line that was cut off is left out: whoever wrote it never heard that it was written.
    """
    sums: Sums = {}
    strange = 0
    keys: dict[tuple[bytes, ...], Key] = {}
    with localcontext(prec=_DIGITS):
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is None:
                strange += line.endswith(b"\n")
                continue
            *raw, amount = found.groups()
            try:
                key = keys.get(tuple(raw)) or keys.setdefault(tuple(raw), _key(*raw))
            except ValueError:  # of a day that no calendar has
                strange += 1
                continue
            _add(sums, key, Decimal(amount.decode()))
    return sums, strange


def _add(sums: Sums, key: Key, amount: Decimal) -> None:
    before = sums.get(key)
    if before is None:
        sums[key] = amount
    else:
        sums[key] = max(before, amount) if key.kind == PEAK else before + amount


def _key(kind: bytes, day: bytes, tenant_id: bytes, meter: bytes) -> Key:
    return Key(tenant_id.decode(), date.fromisoformat(day.decode()), meter.decode(), kind.decode())
