"""How a usage report names its period."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator

from service_market.core.faults import form

__all__ = ["Period"]


def _in_calendar(value: str) -> str:
    try:
        date.fromisoformat(f"{value}-01"[:10])
    except ValueError:
        raise ValueError(f"there is no {value} in the calendar") from None
    return value


#: A month or a day, resolved: the contract's ``daily`` and ``monthly`` mean nothing in a record.
Period = Annotated[
    str,
    form(r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$", "a month, YYYY-MM, or a day, YYYY-MM-DD"),
    AfterValidator(_in_calendar),
]
