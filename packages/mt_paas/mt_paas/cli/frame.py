"""What the two command lines have in common, ``mt-paas`` and ``market``: help, exit codes, wrong values, the version.

Its annotations are evaluated at once: typer could not evaluate one that names a function within a function.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

__all__ = ["CommandGroup", "command_tree"]

_PYDANTICS = "Value error, "  # before what typer says of a choice, which passes through a model
ExitCode = TypeVar("ExitCode", bound=int)


class CommandGroup(TyperGroup):
    """Says of a wrong choice what it could have been, and nothing of what checks it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises what typer raises for a wrong value, in a sentence for who typed it."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(_PYDANTICS)
            raise


def command_tree(
    program: str, distribution: str, summary: str, exit_codes: Mapping[ExitCode, str], group: type[CommandGroup]
) -> typer.Typer:
    """Return the tree of ``program``, without its nouns. ``group`` turns a command's failure into a sentence."""
    codes = "\n".join(f"{int(code):>5}  {meaning}" for code, meaning in exit_codes.items())
    tree = typer.Typer(
        cls=group,
        help=summary,
        epilog=f"\b\nExit codes:\n{codes}",
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help comes in half the time
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def print_version(wanted: bool) -> None:  # noqa: FBT001 - the signature of an option's callback
        if wanted:
            from importlib.metadata import version

            typer.echo(f"{program} {version(distribution)}")
            raise typer.Exit

    @tree.callback(help=summary)
    def root(
        *,
        _version: Annotated[
            bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """Take the options that stand before the noun."""

    return tree
