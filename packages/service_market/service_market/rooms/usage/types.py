"""How a usage report names its period."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

__all__ = ["Period"]


def _in_calendar(value: str) -> str:
    date.fromisoformat(f"{value}-01"[:10])
    return value


#: A month or a day, resolved: the contract's ``daily`` and ``monthly`` mean nothing in a record.
Period = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"), AfterValidator(_in_calendar)]
