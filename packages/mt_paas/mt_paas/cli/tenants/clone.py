"""``mt-paas tenants clone``: a new tenant with all that another has."""

from __future__ import annotations

from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop
from mt_paas.cli.tenants.service import AppOption, managing

__all__ = ["add_to"]


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command()(clone)


def clone(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The id of the new one.", show_default=False)],
    app: AppOption = "app:app",
    *,
    name: Annotated[str | None, typer.Option(help="The name of the new one; else the same.")] = None,
    isolation: Annotated[str | None, typer.Option(help="Its isolation; else the same.")] = None,
) -> None:
    """Make a new tenant with all that another has at this moment. Nobody administers it yet.

    Exit 1 if it could not be made: nothing is left of it.
    """
    import asyncio

    from mt_paas.errors import BackupInvalid, MoveFailed, TenantAlreadyExists

    async def work() -> None:
        async with managing(app) as manager:
            made = await manager.clone_tenant(tenant, new, name=name, isolation=isolation)
            typer.echo(f"{made.tenant_id} is {made.status}, in {made.isolation}")

    try:
        asyncio.run(work())
    except TenantAlreadyExists:
        raise Stop(ExitCode.UNUSABLE, f"tenant {new} is there: a clone takes an id that no other tenant has") from None
    except (BackupInvalid, MoveFailed) as error:
        raise Stop(ExitCode.FAILED, str(error)) from None
