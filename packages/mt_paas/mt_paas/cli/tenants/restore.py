"""``mt-paas tenants restore``: a tenant from its backup, all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop
from mt_paas.cli.tenants.service import AppOption, managing

__all__ = ["add_to"]


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command()(restore)


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.", show_default=False)],
    app: AppOption = "app:app",
    *,
    as_tenant: Annotated[
        str | None, typer.Option("--as", metavar="TENANT", help="As another tenant than the one that it is of.")
    ] = None,
    isolation: Annotated[
        str | None, typer.Option(help="The isolation of a tenant that is made; else what its plan gets.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what the tenant has, if it is there.")] = False,
) -> None:
    """Restore a tenant from its backup: all that it says, compared, or nothing is changed.

    Exit 1 if the file is cut off, was altered, or does not fit.
    """
    import asyncio

    from mt_paas.errors import BackupInvalid, MoveFailed

    async def work() -> None:
        async with managing(app) as manager:
            tenant = await manager.restore_tenant(file, as_tenant=as_tenant, isolation=isolation, replace=replace)
            typer.echo(f"{tenant.tenant_id} is restored, {tenant.status}, in {tenant.isolation}")

    try:
        asyncio.run(work())
    except (BackupInvalid, MoveFailed) as error:
        raise Stop(ExitCode.FAILED, str(error)) from None
