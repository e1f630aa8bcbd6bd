"""``market up``, ``worker``, ``migrate`` and ``forget-sealed``: the commands that run a market."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
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
    for command in (up, worker, migrate, forget_sealed):
        root.command(command.__name__.replace("_", "-"))(command)


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
    from service_market.cli.starting import heard_at, listen, load_settings

    settings = load_settings(home=home, host=host, port=port)
    with listen(settings.api.host, settings.api.port, fd) as listening:
        from service_market.cli import serving

        serving.up(heard_at(settings, listening), listening, worker=not no_worker)


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


def forget_sealed(
    *,
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    _lang: LangOption = None,
) -> None:
    """Drop what was sealed with a secret key that is lost.

    A market does not start while its database holds something that its secret key can not open. Where that key is lost
    for good, this drops those values: keys of services, which are registered again, set-up links, and the call-backs of
    tenants, whose services report again after the next activation.
    """
    from service_market.cli.starting import load_settings

    settings = load_settings(home=home)
    if not yes:
        if not sys.stdin.isatty():
            raise Stop(ExitCode.USAGE, text.FORGETTING_NEEDS_YES())
        typer.confirm(text.SURE_TO_FORGET(), abort=True, err=True)
    from service_market.cli import serving

    serving.forget(settings)
