"""``market operation``: work under way on tenants."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from service_market.cli import text
from service_market.cli.remote import path
from service_market.cli.screen import Column
from service_market.cli.session import Limit, Session, listed, market_command
from service_market.cli.waiting import follow, require_success

__all__ = ["COLUMNS", "app"]

app = typer.Typer()


def _reason(operation: dict[str, Any]) -> str | None:
    return operation["error"]["message"] if operation["error"] else None


def _steps(operation: dict[str, Any]) -> list[str]:
    return [f"{step['name']} {step['state']}" for step in operation["steps"]]


_LIST = (
    Column(text.OPERATION, "id"),
    Column(text.KIND, "kind"),
    Column(text.TENANT, "tenant_id"),
    Column(text.STATE, "state"),
    Column(text.ATTEMPT, "attempt"),
    Column(text.CREATED, "created_at"),
    Column(text.FINISHED, "finished_at"),
)
#: What is shown of one operation.
COLUMNS = (
    *_LIST,
    Column(text.SERVICE, "service_id"),
    Column(text.WHO, "requested_by"),
    Column(text.STARTED_AT, "started_at"),
    Column(text.STEPS, "steps", _steps),
    Column(text.FAILURE, "error", _reason),
    Column(text.RESULT, "result"),
)


class State(StrEnum):
    """How far an operation is."""

    PENDING = "pending"
    RUNNING = "running"
    UNDOING = "undoing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@market_command(app, "list")
def show_list(
    session: Session,
    state: Annotated[State | None, typer.Option(help="Only operations in this state.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only operations on this tenant.")] = None,
    limit: Limit = 100,
) -> None:
    """List operations, newest first."""
    listed(session, "operations", _LIST, limit, state=state, tenant_id=tenant)


@market_command(app, "show")
def show(
    session: Session,
    operation_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Wait for its end; its failure is this command's.")
    ] = False,
) -> None:
    """Show one operation, or watch it to its end."""
    operation = follow(session, operation_id) if watch else session.market.get(path("operations", operation_id))
    session.screen.thing(operation, COLUMNS)
    if watch:
        require_success(operation)
