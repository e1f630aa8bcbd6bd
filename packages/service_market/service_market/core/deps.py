"""Annotated dependencies that every room's router uses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service_market.core.uow import UnitOfWork

__all__ = ["Uow"]


async def _unit_of_work(request: Request) -> UnitOfWork:
    unit: UnitOfWork = request.state.uow
    return unit


Uow = Annotated[UnitOfWork, Depends(_unit_of_work)]
