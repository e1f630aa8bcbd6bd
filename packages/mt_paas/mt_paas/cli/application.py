"""The tree of commands, put together from the nouns."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mt_paas.cli import init, manifest, simulate, tenants, test
from mt_paas.cli.exits import EXIT_TABLE, ExitCode, Stop
from mt_paas.errors import MtPaasError

__all__ = ["app"]

_CODES = "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in EXIT_TABLE.items())


class _Root(TyperGroup):
    """The one place where a command's failure becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Stop as stop:
            code, message = stop.code, stop.message
        except MtPaasError as error:
            code, message = ExitCode.UNUSABLE, str(error)
        except KeyboardInterrupt:
            code, message = ExitCode.INTERRUPTED, "interrupted"
        typer.echo(f"mt-paas: {message}", err=True)
        raise typer.Exit(code)


app = typer.Typer(
    cls=_Root,
    help="Build a service for a Service Market, and try it.",
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

        typer.echo(f"mt-paas {version('mt-paas')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Build a service for a Service Market, and try it."""


init.add_to(app)
manifest.add_to(app)
test.add_to(app)
simulate.add_to(app)
tenants.add_to(app)
