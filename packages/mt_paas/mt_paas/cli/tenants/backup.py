"""``mt-paas tenants backup``: all that one tenant has, in a file that is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop
from mt_paas.cli.tenants.service import AppOption, managing

__all__ = ["add_to"]


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command()(backup)


def backup(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file.")],
    app: AppOption = "app:app",
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the file, if it is there, when all of the new one is written.")
    ] = False,
) -> None:
    """Write a backup of one tenant, as it is at one moment; it works on meanwhile.

    It can be restored into any isolation. Exit 1 if it could not be written: then there is no new file, and an old one
    is as it was.
    """
    import asyncio

    from mt_paas.errors import BackupInvalid, MoveFailed

    async def work() -> None:
        async with managing(app) as manager:
            manifest = await manager.backup_tenant(tenant, output, replace=replace)
            rows = sum(table.rows for table in manifest.tables.values())
            typer.echo(f"{output}: {len(manifest.tables)} tables, {rows} rows, SHA-256 {manifest.sha256}")

    try:
        asyncio.run(work())
    except (BackupInvalid, MoveFailed) as error:
        raise Stop(ExitCode.FAILED, str(error)) from None
