"""``market service``: the catalogue. Faults of a manifest are shown as a compiler shows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import Refused, path
from service_market.cli.screen import Column
from service_market.cli.session import Limit, NoWait, Session, listed, market_command
from service_market.cli.waiting import wait_for_verification

__all__ = ["app"]

app = typer.Typer()
_LIST = (
    Column(text.SERVICE, "service_id"),
    Column(text.NAME, "name"),
    Column(text.STATE, "state"),
    Column(text.VERSION, "version"),
    Column(text.PLANS, "plans"),
    Column(text.ADDRESS, "base_url"),
)
_THING = (
    *_LIST,
    Column(text.VENDOR, "vendor"),
    Column(text.DESCRIPTION, "description"),
    Column(text.REASON, "reason"),
    Column(text.MANIFEST, "manifest_digest"),
    Column(text.CREATED, "created_at"),
    Column(text.VERIFIED, "verified_at"),
)


class State(StrEnum):
    """Where a service is on its way into the catalogue, and out of it."""

    DRAFT = "draft"
    VERIFYING = "verifying"
    LISTED = "listed"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    RETIRED = "retired"


@market_command(app, "register")
def register(
    session: Session,
    manifest: Annotated[Path, typer.Argument(help="The service's manifest.yaml.")],
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            "-k",
            envvar="MARKET_SERVICE_KEY",
            show_default="asked for",
            help="Key by which the market calls the service; better given by the environment.",
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where the service is reached, if not where its manifest says.")
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Register a manifest, or a new version of one, and wait until the service is listed."""
    source = _read(manifest)
    body = {"manifest": source, "api_key": key or _ask_for_key(), "base_url": base_url}
    try:
        service = session.market.send("POST", "services", body).data
    except Refused as refused:
        if refused.error != "manifest_invalid" or not refused.details:
            raise
        count = len(refused.details)
        session.screen.say("\n".join(_as_compiler(str(manifest), source, refused.details)))
        raise Stop(refused.code, text.FAULTS(count=count) if count > 1 else text.FAULT()) from None
    if service["warnings"]:
        session.screen.say("\n".join(_as_compiler(str(manifest), source, service["warnings"])), style="yellow")
    if not no_wait:
        service = wait_for_verification(session, service["service_id"])
    session.screen.thing(service, _THING)


@market_command(app, "list")
def show_list(
    session: Session,
    state: Annotated[State | None, typer.Option(help="Only services in this state.")] = None,
    limit: Limit = 100,
) -> None:
    """List the catalogue, newest first."""
    listed(session, "services", _LIST, limit, state=state)


@market_command(app, "show")
def show(session: Session, service_id: Annotated[str, typer.Argument(metavar="SERVICE")]) -> None:
    """Show one service."""
    session.screen.thing(session.market.get(path("services", service_id)), _THING)


@market_command(app, "verify")
def verify(
    session: Session, service_id: Annotated[str, typer.Argument(metavar="SERVICE")], *, no_wait: NoWait = False
) -> None:
    """Ask the service again for its health, and whether it knows the key; list or reject it by the answers."""
    service = session.market.send("POST", path("services", service_id, "verify")).data
    if not no_wait:
        service = wait_for_verification(session, service_id)
    session.screen.thing(service, _THING)


def _read(manifest: Path) -> str:
    try:
        return manifest.read_bytes().decode()
    except OSError as error:
        raise Stop(ExitCode.USAGE, text.FILE_UNREADABLE(file=manifest, why=error.strerror)) from None
    except UnicodeDecodeError as error:
        raise Stop(ExitCode.INVALID, text.FILE_UNREADABLE(file=manifest, why=f"UTF-8: {error.reason}")) from None


def _ask_for_key() -> str:
    if not sys.stdin.isatty():
        raise Stop(ExitCode.USAGE, text.NO_KEY())
    key: str = typer.prompt(text.KEY_PROMPT(), hide_input=True, err=True)
    return key


def _as_compiler(name: str, source: str, faults: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield ``file:line:column: what is wrong``, the line itself and a caret under the place, for each fault."""
    lines = source.splitlines()
    for fault in faults:
        line, column = fault["line"], fault["column"]
        yield f"{name}:{line}:{column}: {fault['path'] or 'document'}: {fault['message']}{_advice(fault)}"
        if line <= len(lines):
            shown = lines[line - 1]
            yield f"{line:>5} | {shown.expandtabs(1)}"
            yield f"      | {_blank(shown[: column - 1])}^"


def _advice(fault: dict[str, Any]) -> str:
    expected = f"; {text.EXPECTED(what=fault['expected'])}" if fault.get("expected") else ""
    return expected + (f" ({fault['suggestion']})" if fault.get("suggestion") else "")


def _blank(words: str) -> str:
    """Return as many blanks as ``words`` is wide on a terminal, where Korean takes two places."""
    from rich.cells import cell_len

    return " " * cell_len(words)
