"""``market organization``: schools and vendors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from service_market.cli import text
from service_market.cli.screen import Column
from service_market.cli.session import Limit, Session, listed, market_command

__all__ = ["app"]

app = typer.Typer()
_COLUMNS = (
    Column(text.SLUG, "slug"),
    Column(text.NAME, "name"),
    Column(text.KIND, "kind"),
    Column(text.CREATED, "created_at"),
)


class Kind(StrEnum):
    """What may be created here; the operator is there from the start."""

    SCHOOL = "school"
    VENDOR = "vendor"


@market_command(app, "create")
def create(
    session: Session,
    slug: Annotated[str, typer.Argument(help="3 to 63 characters a-z, 0-9, _ and -, such as hallym_univ.")],
    name: Annotated[str, typer.Argument(help="What people call it.")],
    kind: Annotated[Kind, typer.Option(help="What it is to the market.")] = Kind.SCHOOL,
) -> None:
    """Create an organization."""
    answer = session.market.send("POST", "organizations", {"slug": slug, "name": name, "kind": kind})
    session.screen.thing(answer.data, _COLUMNS)


@market_command(app, "list")
def show_list(session: Session, limit: Limit = 100) -> None:
    """List organizations, newest first."""
    listed(session, "organizations", _COLUMNS, limit)
