"""The tree of commands, put together from the nouns."""

from __future__ import annotations

from typing import Any

import typer

from mt_paas.cli import init, manifest, simulate, tenants, test
from mt_paas.cli.exits import EXIT_TABLE, ExitCode, Stop
from mt_paas.cli.frame import CommandGroup, command_tree
from mt_paas.errors import MtPaasError

__all__ = ["app"]


class _Root(CommandGroup):
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


app = command_tree("mt-paas", "mt-paas", "Build a service for a Service Market, and try it.", EXIT_TABLE, _Root)

init.add_to(app)
manifest.add_to(app)
test.add_to(app)
simulate.add_to(app)
tenants.add_to(app)
