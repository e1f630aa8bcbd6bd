"""``mt-paas tenants move``: a tenant to another isolation, with its data, while it is written to."""

from __future__ import annotations

from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop
from mt_paas.cli.tenants.service import AppOption, managing

__all__ = ["add_to"]

_STEPS = {
    "copying": "copying; the tenant works on",
    "copied": "copied; fetching what changed meanwhile",
    "compared": "all rows compared",
    "held": "writers wait for a moment",
    "busy": "the tenant's transactions leave no moment; trying again",
    "moved": "moved",
}


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command()(move)


def move(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)],
    to: Annotated[str, typer.Option("--to", metavar="ISOLATION", help="DATABASE_PER_TENANT, SCHEMA_PER_TENANT, …")],
    app: AppOption = "app:app",
    *,
    keep_hours: Annotated[
        float, typer.Option(min=0, help="How long the old place is kept, closed, until a sweep deletes it.")
    ] = 24.0,
) -> None:
    """Move a tenant to another isolation, with its data, while it is written to.

    The same command again takes up a move that was cut off. Exit 1 if it could not be moved: it is where it was.
    """
    import asyncio
    from datetime import timedelta

    from mt_paas.core.moving.mover import MoveOptions
    from mt_paas.errors import MoveFailed

    def report(step: str) -> None:
        if step in _STEPS:
            typer.echo(f"{tenant}: {_STEPS[step]}")

    async def work() -> None:
        options = MoveOptions(keep=timedelta(hours=keep_hours), report=report)
        async with managing(app) as manager:
            found = await manager.move_tenant(tenant, to, actor="mt-paas", options=options)
            typer.echo(f"{tenant} is in {found.isolation}")

    try:
        asyncio.run(work())
    except MoveFailed as error:
        raise Stop(ExitCode.FAILED, str(error)) from None
