"""``mt-paas tenants migrate``: every tenant's tables brought to a revision of the service's migrations."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mt_paas.cli.exits import ExitCode
from mt_paas.cli.tenants.service import AppOption

if TYPE_CHECKING:
    from mt_paas.core.migrations.fleet import FleetPlan
    from mt_paas.core.migrations.report import FleetReport, Outcome

__all__ = ["add_to"]

_WORDS = {
    "migrated": "migrated",
    "current": "there already, when it was looked into",
    "behind": "to be migrated",
    "failed": "failed",
    "held": "left, because another operation holds it",
    "quarantined": "left in quarantine: --retry takes them again",
}


def add_to(tenants: typer.Typer) -> None:
    """Add the command to the noun."""
    tenants.command("migrate")(migrate)


def migrate(
    app: AppOption = "app:app",
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REVISION", help="The revision; else the head.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tenants at a time, two connections each; else MT_POOLS__OPERATIONS.", show_default=False
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Take those in quarantine too, and free them.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Look into each tenant, whatever the registry says.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say who would be migrated, and change nothing.")] = False,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Go back to an older revision, and lose what newer tables hold.")
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION", help="The revision of tables that were made without migrations.", show_default=False
        ),
    ] = None,
    lock_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that a statement waits for who is at work on its table.")
    ] = 10.0,
    max_failures: Annotated[
        int | None,
        typer.Option(min=1, help="Begin no further tenant after so many failures; else go on.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Migrate the tables of all tenants; new ones get them from then on.

    Tenants that are there already are not opened. One that fails is quarantined: its users get 503 until a migration
    of it succeeds, and the others go on. Exit 1 if a tenant is not where it should be. What was cut off is completed by
    the same command again.
    """
    import asyncio

    from mt_paas.core.migrations.fleet import FleetPlan
    from mt_paas.core.migrations.scripts import Request

    plan = FleetPlan(
        request=Request(to=to, baseline=baseline, downgrade=downgrade, lock_timeout=lock_timeout),
        jobs=jobs or 0,
        retry=retry,
        verify=verify,
        dry_run=dry_run,
        max_failures=max_failures,
    )
    with _progress() as tell:
        report = asyncio.run(_run(app, plan, tell))
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        for line in _lines(report):
            typer.echo(line)
    if not report.is_whole:
        raise typer.Exit(ExitCode.FAILED)


async def _run(app: str, plan: FleetPlan, tell: Callable[[Outcome], None]) -> FleetReport:
    from dataclasses import replace

    from mt_paas.cli.tenants.service import load, started
    from mt_paas.core.migrations.fleet import migrate_fleet

    service = load(app)
    service.manager.bounds = bounds = service.manager.bounds.allowing(plan.jobs or None)
    plan = replace(plan, jobs=bounds.operations)
    async with started(service) as manager:
        return await migrate_fleet(manager, plan, tell)


def _lines(report: FleetReport) -> Iterator[str]:
    """Yield the report: a table of those that are worth a line, then how many are what."""
    from mt_paas.cli.tenants.listing import columns
    from mt_paas.core.migrations.report import Result

    shown = [each for each in report.outcomes if each.result is not Result.CURRENT]
    if shown:
        rows = [
            [each.tenant_id or "(shared tables)", each.result, each.before or "-", each.after or "-", each.reason]
            for each in shown
        ]
        yield from columns(["tenant", "result", "from", "to", "why"], rows)
        yield ""
    counts = {result: len(report.of(result)) for result in Result}
    yield f"{report.skipped:>6}  at {report.target} already, not opened"
    for result, count in counts.items():
        if count:
            yield f"{count:>6}  {_WORDS[result]}"
    if not report.is_complete:
        yield "stopped at the failures that were allowed: further tenants were not begun"
    yield f"{report.seconds:.1f} seconds"


@contextmanager
def _progress() -> Iterator[Callable[[Outcome], None]]:
    """Show on a terminal how many are done; yield what hears of each."""
    if not sys.stderr.isatty():
        yield lambda _outcome: None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = (
        TextColumn("Migrating"),
        TextColumn("{task.completed:.0f}"),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda outcome: bar.update(task, advance=1, description=outcome.tenant_id or "")
