"""``market up``, ``market worker`` and ``market migrate``: the commands that run a market."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service_market.cli.session import LangOption

__all__ = ["add_to"]

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        show_default="MARKET_HOME, else .market",
        help="Folder of the embedded database, the secret key and the operator's token.",
    ),
]


def add_to(root: typer.Typer) -> None:
    """Give ``root`` the commands of this module."""
    for command in (up, worker, migrate):
        root.command()(command)


def up(
    *,
    host: Annotated[str | None, typer.Option(show_default="MARKET_API__HOST, else 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, show_default="MARKET_API__PORT, else 8505")] = None,
    fd: Annotated[
        int | None,
        typer.Option(min=3, help="Listen on this descriptor, a socket that listens already, instead of a port."),
    ] = None,
    home: HomeOption = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Serve the API only: a second process beside one that works.")
    ] = False,
    _lang: LangOption = None,
) -> None:
    """Run a market: API, worker and database.

    All are in one process. The database is an embedded one unless DATABASE_URL names a PostgreSQL server.

    Any number of processes may share one home or one DATABASE_URL. Everything that can be set is set by the
    environment (MARKET_…).
    """
    from service_market.cli.starting import listen, load_settings

    settings = load_settings(home=home, host=host, port=port)
    with listen(settings.api.host, settings.api.port, fd) as listening:
        from service_market.cli import serving

        serving.up(settings, listening, worker=not no_worker)


def worker(home: HomeOption = None, _lang: LangOption = None) -> None:
    """Run a worker only."""
    from service_market.cli.starting import load_settings

    settings = load_settings(home=home)
    from service_market.cli import serving

    serving.worker(settings)


def migrate(home: HomeOption = None, _lang: LangOption = None) -> None:
    """Bring the database to the newest schema.

    `market up` and `market worker` do it as well.
    """
    from service_market.cli.starting import load_settings

    settings = load_settings(home=home)
    from service_market.cli import serving

    serving.migrate(settings)
