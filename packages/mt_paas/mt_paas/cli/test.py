"""``mt-paas test``: try a service against the Standard API, and report."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mt_paas.cli.exits import ExitCode, Stop
from mt_paas.conformance.formats import Format
from mt_paas.conformance.registry import Profile

if TYPE_CHECKING:
    from mt_paas.conformance import Check, CheckResult, Document, Report

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("test")(try_service)


def try_service(
    *,
    target: Annotated[
        str, typer.Option("--target", metavar="URL", help="Where the service is, such as http://127.0.0.1:8000.")
    ] = "",
    key: Annotated[
        str,
        typer.Option("--key", envvar="MT_PAAS_KEY", metavar="KEY", help="The market's key, which the service accepts."),
    ] = "",
    manifest: Annotated[
        str,
        typer.Option(
            "--manifest", metavar="FILE|URL", help="Its manifest; otherwise the one that the service serves, if any."
        ),
    ] = "",
    profile: Annotated[
        Profile, typer.Option("--profile", help="core: the named checks and a few more; full: every check.")
    ] = Profile.FULL,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ID", help="Only these checks: an id, or an area such as `users`. Repeatable."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="ID", help="Not these checks. Repeatable.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="The form of the report.")] = Format.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the report there, and say the score.")
    ] = None,
    second_key: Annotated[
        str,
        typer.Option(
            "--second-key", envvar="MT_PAAS_SECOND_KEY", metavar="KEY", help="Another key that it accepts at present."
        ),
    ] = "",
    slow: Annotated[bool, typer.Option("--slow", help="Wait for what takes a minute, such as a link's end.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=600.0, metavar="SECONDS", help="For each call.")
    ] = 10.0,
    wait: Annotated[
        float, typer.Option("--wait", min=0.0, metavar="SECONDS", help="For a service that is starting, at most.")
    ] = 0.0,
    is_list: Annotated[bool, typer.Option("--list", help="Show the checks, and try nothing.")] = False,
) -> None:
    """Try a service against the Standard API over HTTP, and report what it keeps and what it breaks.

    The tests make tenants of their own (mtpaas-test-…) and remove all of them, also when they are
    interrupted.
    Exit code 0: every MUST is kept; 1: one is broken; 2: the service could not be judged.
    """
    from mt_paas.conformance.registry import chosen

    if is_list:
        _show(chosen(profile, only or (), skip or ()), form)
        return
    for option, value in (("--target URL", target), ("--key KEY, or the variable MT_PAAS_KEY", key)):
        if not value:
            raise Stop(ExitCode.UNUSABLE, f"it needs {option}; see mt-paas test --help")
    with _destination(output) as write:
        report = _tried(
            manifest,
            url=target,
            key=key,
            profile=profile,
            only=only or (),
            skip=skip or (),
            second_key=second_key or None,
            slow=slow,
            timeout=timeout,
            wait=wait,
        )
        write(report, form)
    raise typer.Exit(ExitCode.DONE if report.conforms else ExitCode.FAILED)


def _tried(manifest: str, *, timeout: float, **options: Any) -> Report:
    """Run the checks and return the report; ``options`` are those of :func:`mt_paas.conformance.run`."""
    import asyncio

    from mt_paas.conformance.runner import run

    async def tried(tell: Callable[[CheckResult, int, int], None] | None) -> Report:
        _end_well_when_told_to()
        document = await _document(manifest, timeout)
        return await run(manifest=document, timeout=timeout, tell=tell, **options)

    try:
        with _progress() as tell:
            return asyncio.run(tried(tell))
    except (KeyboardInterrupt, asyncio.CancelledError):
        said = "interrupted; the tenants of the tests were removed, as far as the service let them"
        raise Stop(ExitCode.INTERRUPTED, said) from None


def _end_well_when_told_to() -> None:
    """Let Ctrl-C, and what stops a container, end this task with its cleaning up; the second time at once."""
    import asyncio

    if sys.platform == "win32":
        return
    this = asyncio.current_task()
    told: list[int] = []

    def end(number: int) -> None:
        told.append(number)
        if this is not None and len(told) == 1:
            typer.echo("mt-paas: removing the tenants of the tests; once more leaves them at the service", err=True)
            this.cancel()
        elif len(told) > 1:
            typer.echo("mt-paas: ended at once; tenants of the tests are left at the service", err=True)
            os._exit(ExitCode.INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)


async def _document(manifest: str, timeout: float) -> Document | None:  # noqa: ASYNC109 - of a call in it
    """Return the manifest that was given by a path or an address; None where none was."""
    if not manifest:
        return None
    from mt_paas.conformance.expect import Violation
    from mt_paas.conformance.finding import fetched_document
    from mt_paas.conformance.service import Service
    from mt_paas.conformance.target import read_file

    if not manifest.startswith(("http://", "https://")):
        return read_file(manifest)
    async with Service(timeout=timeout) as service:
        try:
            return await fetched_document(service, manifest)
        except Violation as violation:
            raise Stop(ExitCode.UNUSABLE, f"the manifest can not be read: {violation}") from None


@contextmanager
def _progress() -> Iterator[Callable[[CheckResult, int, int], None] | None]:
    """Show on a terminal how far it is; yield what hears of each result."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("Trying"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(result: CheckResult, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=result.id)

        yield tell


@contextmanager
def _destination(output: Path | None) -> Iterator[Callable[[Report, Format], None]]:
    """Yield what writes a report: to standard output, or to a file that is whole or not there at all."""
    from mt_paas.conformance.report import render, summary

    if output is None:

        def show(report: Report, form: Format) -> None:
            _print(render(report, form, has_colour=_shows_colour(), width=_width()))

        yield show
        return
    if output.is_dir():
        raise Stop(ExitCode.UNUSABLE, f"{output} can not be written: it is a directory")
    # What is there and no file, such as /dev/stdout or a named pipe, is written to; a file takes the old one's place.
    is_device = output.exists() and not output.is_file()
    place = output if is_device else output.resolve()
    draft = place if is_device else place.with_name(f".{place.name}.part")
    try:
        if not is_device:
            draft.touch()  # before anything is tried: that it can be written
    except OSError as error:
        raise Stop(ExitCode.UNUSABLE, f"{output} can not be written: {error.strerror}") from None

    def write(report: Report, form: Format) -> None:
        try:
            draft.write_text(render(report, form), encoding="utf-8")
            if not is_device:
                draft.replace(place)
        except OSError as error:
            _print(render(report, form))
            raise Stop(ExitCode.UNUSABLE, f"{output} can not be written: {error.strerror}") from None
        typer.echo(f"{summary(report)}; the report is in {output}", err=True)

    try:
        yield write
    finally:
        if not is_device:
            draft.unlink(missing_ok=True)


def _show(checks: tuple[Check, ...], form: Format) -> None:
    """Print the checks: their ids, levels, names and rules."""
    if form is Format.JSON:
        import json

        rows = [
            {"id": each.id, "name": each.name, "level": each.level, "profile": each.profile, "rule": each.rule}
            for each in checks
        ]
        _print(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    width = max((len(each.id) for each in checks), default=0)
    _print("".join(f"{each.id:<{width}}  {each.level:<6}  {each.name}\n" for each in checks))


def _width() -> int:
    """Return how wide a table may be: as the terminal is, within bounds; 80 columns where there is none."""
    import shutil

    return min(max(shutil.get_terminal_size().columns, 80), 120) if sys.stdout.isatty() else 80


def _shows_colour() -> bool:
    import os

    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _print(text: str) -> None:
    """Write to standard output, also where its encoding does not have every character."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        typer.echo(text.encode(encoding, "replace").decode(encoding), nl=False)
    except BrokenPipeError:
        raise  # who read has read enough
    except OSError as error:
        raise Stop(ExitCode.UNUSABLE, f"standard output can not be written: {error.strerror}") from None
