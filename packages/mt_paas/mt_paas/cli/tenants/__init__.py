"""``mt-paas tenants``: what the operator of a service does with its tenants. One file a command.

The commands work on the database of the service, and need no running service: ``--app`` says where its code is, from
which they learn its tables, its settings and how it keeps tenants apart.
"""

from __future__ import annotations

import typer

from mt_paas.cli.tenants import backup, clone, listing, migrating, move, restore

__all__ = ["add_to"]

_tenants = typer.Typer(
    help="Work on the tenants of a service, as its operator: it need not run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    for command in (listing, migrating, move, backup, restore, clone):
        command.add_to(_tenants)
    app.add_typer(_tenants, name="tenants")
