"""The command ``mt-paas``: one file a noun, and nothing imported before it is needed.

Needs the extra ``cli``. A module here imports no more than typer and words at its top; HTTP, models and rich are
imported by the functions that use them, so that ``mt-paas --help`` starts at once.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with one of the codes of :class:`~mt_paas.cli.exits.ExitCode`."""
    try:
        import rich  # noqa: F401 - a part of the extra, as typer is
        import typer  # noqa: F401
    except ModuleNotFoundError:
        sys.exit('mt-paas needs an extra that is not installed: pip install "mt-paas[cli]"')
    from mt_paas.cli.application import app

    app(prog_name="mt-paas")
