"""``market tenant``: an organization's own instance of a service, through its life."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.operation import COLUMNS as OPERATION
from service_market.cli.remote import path
from service_market.cli.screen import Column
from service_market.cli.session import Limit, NoWait, Session, listed, market_command
from service_market.cli.waiting import finish

__all__ = ["app"]

app = typer.Typer()
_LIST = (
    Column(text.TENANT, "tenant_id"),
    Column(text.NAME, "name"),
    Column(text.SERVICE, "service_id"),
    Column(text.PLAN, "plan"),
    Column(text.STATE, "state"),
    Column(text.ACTIVATED, "activated_at"),
    Column(text.ADDRESS, "access_url"),
)
_THING = (
    *_LIST,
    Column(text.FEATURES, "features"),
    Column(text.CONFIG, "config"),
    Column(text.ISOLATION, "isolation"),
    Column(text.FAILURE, "failure_reason"),
    Column(text.ORPHAN, "may_be_orphaned"),
    Column(text.SETUP_UNTIL, "setup_expires_at"),
    Column(text.REPORTED, "reported_status"),
    Column(text.CREATED, "created_at"),
    Column(text.DEACTIVATED, "deactivated_at"),
    Column(text.DATA_KEPT, "data_preserved"),
    Column(text.DEADLINE, "reactivation_deadline"),
)
_HISTORY = (
    Column(text.WHEN, "at"),
    Column(text.BEFORE, "from_state"),
    Column(text.TO, "to_state"),
    Column(text.WHO, "actor"),
    Column(text.REASON, "reason"),
)
_EVENTS = (
    Column(text.RECEIVED, "received_at"),
    Column(text.EVENT, "type"),
    Column(text.SAID, "data"),
    Column(text.HAPPENED, "happened_at"),
)
_LINK = (Column(text.LINK, "setup_url"), Column(text.EXPIRES, "expires_at"))
_Id = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]


class State(StrEnum):
    """Where a tenant is in its life."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    FAILED = "failed"
    SUSPENDED = "suspended"
    UPDATING = "updating"
    DEACTIVATING = "deactivating"
    DEACTIVATED = "deactivated"
    PURGING = "purging"
    PURGED = "purged"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a tenant is deactivated."""

    ADMIN_REQUEST = "admin_request"
    SUBSCRIPTION_EXPIRED = "subscription_expired"
    VIOLATION = "violation"


@market_command(app, "list")
def show_list(
    session: Session,
    state: Annotated[State | None, typer.Option(help="Only tenants in this state.")] = None,
    service: Annotated[str | None, typer.Option(help="Only tenants of this service.")] = None,
    limit: Limit = 100,
) -> None:
    """List tenants, newest first."""
    listed(session, "tenants", _LIST, limit, state=state, service_id=service)


@market_command(app, "show")
def show(session: Session, tenant_id: _Id) -> None:
    """Show one tenant."""
    session.screen.thing(session.market.get(path("tenants", tenant_id)), _THING)


@market_command(app, "history")
def history(session: Session, tenant_id: _Id) -> None:
    """Show who moved the tenant to which state, when and why, first to last."""
    session.screen.rows(session.market.get(path("tenants", tenant_id, "history")), _HISTORY)


@market_command(app, "events")
def events(session: Session, tenant_id: _Id, limit: Limit = 100) -> None:
    """Show what the service told of the tenant by itself, newest first."""
    listed(session, path("tenants", tenant_id, "events"), _EVENTS, limit)


@market_command(app, "deactivate")
def deactivate(
    session: Session,
    tenant_id: _Id,
    *,
    reason: Annotated[Reason, typer.Option(help="What its service is told.")] = Reason.ADMIN_REQUEST,
    no_wait: NoWait = False,
) -> None:
    """Close a tenant for its users; its data are kept until the reactivation deadline."""
    _change(session, tenant_id, "deactivate", {"reason": reason}, wait=not no_wait)


@market_command(app, "reactivate")
def reactivate(
    session: Session,
    tenant_id: _Id,
    *,
    renew: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=120,
            metavar="MONTHS",
            help="Renew its subscription if that has ended; one that runs stays as it is.",
        ),
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Bring a deactivated tenant back with its data."""
    _change(session, tenant_id, "reactivate", {"renew_months": renew}, wait=not no_wait)


@market_command(app, "retry")
def retry(session: Session, tenant_id: _Id, *, no_wait: NoWait = False) -> None:
    """Provision a tenant whose activation failed again."""
    _change(session, tenant_id, "provision", None, wait=not no_wait)


@market_command(app, "purge")
def purge(
    session: Session,
    tenant_id: _Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Delete a deactivated tenant's data for ever."""
    if not yes:
        if not sys.stdin.isatty():
            raise Stop(ExitCode.USAGE, text.PURGE_NEEDS_YES(tenant=tenant_id))
        typer.confirm(text.SURE_TO_PURGE(tenant=tenant_id), abort=True, err=True)
    _change(session, tenant_id, "purge", None, wait=not no_wait)


@market_command(app, "setup-link")
def setup_link(session: Session, tenant_id: _Id) -> None:
    """Take the administrator's set-up link; it is shown this once."""
    session.screen.thing(session.market.send("POST", path("tenants", tenant_id, "setup-link")).data, _LINK)
    session.screen.say(text.LINK_ONCE(), style="yellow")


def _change(session: Session, tenant_id: str, change: str, body: dict[str, Any] | None, *, wait: bool) -> None:
    answer = session.market.send("POST", path("tenants", tenant_id, change), body)
    operation = finish(session, answer, wait=wait)
    session.screen.thing(operation or answer.data, OPERATION)
