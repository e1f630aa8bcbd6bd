"""The tree of commands, put together from the nouns."""

from __future__ import annotations

from typing import Any

import typer
from mt_paas.cli.frame import CommandGroup, command_tree

from service_market.cli import operation, organization, server, service, subscription, tenant, token
from service_market.cli.demo import command as demo
from service_market.cli.exits import EXIT_TABLE, Stop

__all__ = ["app"]


class _Root(CommandGroup):
    """The one place where a command's failure becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Stop as stop:
            from service_market.cli.screen import Screen

            Screen().complain(stop.message)
            raise typer.Exit(stop.code) from None


app = command_tree("market", "service-market", "Run a Service Market, and work with one.", EXIT_TABLE, _Root)

server.add_to(app)
demo.add_to(app)
subscription.add_subscribe_to(app)
for name, noun, summary in (
    ("organization", organization, "Schools and vendors."),
    ("token", token, "API tokens."),
    ("service", service, "The catalogue."),
    ("subscription", subscription, "Who uses which service on which plan until when."),
    ("tenant", tenant, "Tenants: an organization's own instance of a service."),
    ("operation", operation, "Work under way on tenants."),
):
    app.add_typer(noun.app, name=name, help=summary, no_args_is_help=True)
