"""The command ``market``: one file a noun, and nothing imported before it is needed.

``market --help`` must start at once, so a module here imports no more than typer at its top; HTTP, tables and the
server are imported by the functions that use them.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with one of the codes of :class:`~service_market.cli.exits.ExitCode`."""
    from service_market.cli.application import app

    app(prog_name="market")
