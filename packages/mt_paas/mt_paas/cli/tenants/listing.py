"""``mt-paas tenants list``: who the tenants are and where they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mt_paas.cli.tenants.service import AppOption

if TYPE_CHECKING:
    from mt_paas.core.schemas import Tenant

__all__ = ["add_to", "columns"]


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command("list")(list_tenants)


def list_tenants(
    app: AppOption = "app:app",
    *,
    every: Annotated[bool, typer.Option("--all", help="Show purged tenants too, of whom only the id is left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one tenant a line.")] = False,
) -> None:
    """List the tenants with their status, plan and isolation, the revision of their tables, and why one is closed."""
    import asyncio

    rows = [_row(tenant) for tenant in asyncio.run(_all(app)) if every or tenant.status != "purged"]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    for line in columns(
        ["tenant", "status", "plan", "isolation", "revision", "quarantine"], [[*row.values()] for row in rows]
    ):
        typer.echo(line)


def columns(heads: list[str], rows: list[list[Any]]) -> Iterator[str]:
    """Yield the lines of a table, each column as wide as its widest cell; null is an empty cell."""
    cells = [heads, *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    for row in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


async def _all(app: str) -> list[Tenant]:
    from mt_paas.cli.tenants.service import managing

    found: list[Tenant] = []
    async with managing(app) as manager:
        cursor: str | None = None
        while True:
            page = await manager.list_tenants(cursor=cursor, limit=500)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found


def _row(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant_id": tenant.tenant_id,
        "status": str(tenant.status),
        "plan": tenant.plan,
        "isolation": tenant.isolation,
        "revision": tenant.revision,
        "quarantine": tenant.quarantine_reason,
    }
