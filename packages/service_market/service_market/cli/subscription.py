"""``market subscribe`` and ``market subscription``: who uses which service on which plan until when."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import path
from service_market.cli.screen import Column
from service_market.cli.session import Limit, NoWait, Session, listed, market_command
from service_market.cli.waiting import finish

__all__ = ["add_subscribe_to", "app"]

app = typer.Typer()
_COLUMNS = (
    Column(text.ID, "id"),
    Column(text.SERVICE, "service_id"),
    Column(text.TENANT, "tenant_id"),
    Column(text.PLAN, "plan"),
    Column(text.STATE, "state"),
    Column(text.MONTHS, "term_months"),
    Column(text.FROM, "starts_at"),
    Column(text.UNTIL, "ends_at"),
)
_SWEPT = (Column(text.EXPIRED, "expired"),)
_Id = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.")]


class State(StrEnum):
    """Whether a subscription gives the right to use its tenant."""

    ACTIVE = "active"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


def add_subscribe_to(root: typer.Typer) -> None:
    """Give ``root`` the command ``subscribe``."""
    market_command(root, "subscribe")(subscribe)


def subscribe(
    session: Session,
    organization: Annotated[str, typer.Argument(help="Slug of the organization.")],
    service: Annotated[str, typer.Argument(help="Id of the service.")],
    plan: Annotated[str, typer.Argument(help="One of the service's plans.")],
    *,
    admin_email: Annotated[str, typer.Option(help="Who gets the set-up link of the tenant.")],
    admin_name: Annotated[str | None, typer.Option(show_default="what is before the @")] = None,
    months: Annotated[int, typer.Option(min=1, max=120, help="Length of the term.")] = 12,
    tenant_id: Annotated[str | None, typer.Option(show_default="the organization's slug, if it is free")] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the tenant, such as max_users=500; may be repeated."),
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Subscribe an organization to a service.

    Waits until its tenant is active. With --json the subscription is printed; its operation is in
    `market operation list --tenant`.
    """
    body = {
        "organization": organization,
        "service_id": service,
        "plan": plan,
        "term_months": months,
        "tenant_id": tenant_id,
        "admin": {"email": admin_email, "name": admin_name or admin_email.partition("@")[0]},
        "config": dict(_pair(each) for each in config or ()),
    }
    answer = session.market.send("POST", "subscriptions", body)
    finish(session, answer, wait=not no_wait)
    session.screen.thing(answer.data, _COLUMNS)


@market_command(app, "list")
def show_list(
    session: Session,
    state: Annotated[State | None, typer.Option(help="Only subscriptions in this state.")] = None,
    service: Annotated[str | None, typer.Option(help="Only subscriptions to this service.")] = None,
    limit: Limit = 100,
) -> None:
    """List subscriptions, newest first."""
    listed(session, "subscriptions", _COLUMNS, limit, state=state, service_id=service)


@market_command(app, "show")
def show(session: Session, subscription_id: _Id) -> None:
    """Show one subscription."""
    session.screen.thing(session.market.get(path("subscriptions", subscription_id)), _COLUMNS)


@market_command(app, "renew")
def renew(
    session: Session,
    subscription_id: _Id,
    *,
    months: Annotated[int | None, typer.Option(min=1, max=120, show_default="as the term before")] = None,
    no_wait: NoWait = False,
) -> None:
    """Give a subscription a new term: after the running one, or from now if that has ended.

    A tenant that was closed with its subscription comes back with its data.
    """
    _change(session, subscription_id, "renew", {"term_months": months}, wait=not no_wait)


@market_command(app, "cancel")
def cancel(session: Session, subscription_id: _Id, *, no_wait: NoWait = False) -> None:
    """End a subscription now and deactivate its tenant.

    The data are kept until the reactivation deadline: until then `market subscription renew` brings both back. A tenant
    that was never active is cancelled with its subscription. Afterwards the organization may subscribe to the service
    anew, by a tenant of another id.
    """
    _change(session, subscription_id, "cancel", None, wait=not no_wait)


@market_command(app, "sweep")
def sweep(session: Session) -> None:
    """Expire now what is over; the worker does it every minute by itself."""
    swept = session.market.send("POST", "subscriptions/sweep").data
    session.screen.thing(swept, _SWEPT)


def _change(session: Session, subscription_id: str, change: str, body: dict[str, Any] | None, *, wait: bool) -> None:
    answer = session.market.send("POST", path("subscriptions", subscription_id, change), body)
    finish(session, answer, wait=wait)
    session.screen.thing(answer.data, _COLUMNS)


def _pair(words: str) -> tuple[str, Any]:
    """Return the name and the value: a JSON number or truth value where it is one, else the text itself."""
    name, equals, value = words.partition("=")
    if not name or not equals:
        raise Stop(ExitCode.USAGE, text.BAD_PAIR(pair=words))
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
