"""``market token``: API tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from service_market.cli import text
from service_market.cli.remote import path
from service_market.cli.screen import Column
from service_market.cli.session import Limit, Session, listed, market_command

__all__ = ["app"]

app = typer.Typer()
_COLUMNS = (
    Column(text.ID, "id"),
    Column(text.NAME, "name"),
    Column(text.ROLE, "role"),
    Column(text.SERVICE, "service_id"),
    Column(text.PREFIX, "prefix"),
    Column(text.CREATED, "created_at"),
    Column(text.EXPIRES, "expires_at"),
    Column(text.REVOKED, "revoked_at"),
    Column(text.LAST_USED, "last_used_at"),
)
_CREATED = (Column(text.ID, "id"), Column(text.NAME, "name"), Column(text.ROLE, "role"), Column(text.TOKEN, "token"))


class Role(StrEnum):
    """What a token may do."""

    OPERATOR = "operator"
    SCHOOL_MANAGER = "school_manager"
    VENDOR_DEVELOPER = "vendor_developer"
    SERVICE = "service"


@market_command(app, "create")
def create(
    session: Session,
    organization: Annotated[str, typer.Argument(help="Slug of the organization that the token acts for.")],
    role: Annotated[Role, typer.Argument(help="What it may do.")],
    *,
    name: Annotated[str, typer.Option(help="What it is for.")] = "cli",
    service: Annotated[str | None, typer.Option(help="Id of the service; for the role service.")] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="When it ends, in this machine's time zone."),
    ] = None,
) -> None:
    """Create a token, and show it this once."""
    body = {
        "organization": organization,
        "role": role,
        "name": name,
        "service_id": service,
        "expires_at": expires.astimezone().isoformat() if expires else None,
    }
    answer = session.market.send("POST", "tokens", body)
    session.screen.thing(answer.data, _CREATED)
    session.screen.say(text.TOKEN_ONCE(), style="yellow")


@market_command(app, "list")
def show_list(session: Session, limit: Limit = 100) -> None:
    """List tokens, newest first, without what is secret of them."""
    listed(session, "tokens", _COLUMNS, limit)


@market_command(app, "revoke")
def revoke(session: Session, token_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """End a token at once."""
    session.screen.thing(session.market.send("DELETE", path("tokens", token_id)).data, _COLUMNS)
