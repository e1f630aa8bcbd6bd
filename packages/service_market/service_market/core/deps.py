"""What every room's router has its parameters made of."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BeforeValidator

from service_market.core.errors import NotFound
from service_market.core.uow import UnitOfWork

__all__ = ["Uow", "unless"]


async def _unit_of_work(request: Request) -> UnitOfWork:
    unit: UnitOfWork = request.state.uow
    return unit


Uow = Annotated[UnitOfWork, Depends(_unit_of_work)]


def unless(error: type[NotFound]) -> BeforeValidator:
    """Make ``error`` the answer to an id in an address that is none: nothing can be there."""

    def read(given: Any) -> UUID:
        try:
            return UUID(str(given))
        except ValueError:
            raise error from None

    return BeforeValidator(read)
