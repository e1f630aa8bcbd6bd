"""The tree of commands, put together from the nouns."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from service_market.cli import operation, organization, server, service, subscription, tenant, token
from service_market.cli.demo import command as demo
from service_market.cli.exits import EXIT_TABLE, Stop

__all__ = ["app"]

_CODES = "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in EXIT_TABLE.items())


class _Root(TyperGroup):
    """The one place where a command's failure becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Stop as stop:
            from service_market.cli.screen import Screen

            Screen().complain(stop.message)
            raise typer.Exit(stop.code) from None


app = typer.Typer(
    cls=_Root,
    help="Run a Service Market, and work with one.",
    epilog=f"\b\nExit codes:\n{_CODES}",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help comes in half the time
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the signature of an option's callback
    if wanted:
        from importlib.metadata import version

        typer.echo(f"market {version('service-market')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Run a Service Market, and work with one."""


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
