"""How a usage report names its period."""

from __future__ import annotations

__all__ = ["PERIOD_PATTERN"]

#: A month or a day, resolved: the contract's ``daily`` and ``monthly`` mean nothing in a record.
PERIOD_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?$"
