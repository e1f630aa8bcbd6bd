"""``market demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service_market.cli.session import LangOption

__all__ = ["add_to"]


def add_to(root: typer.Typer) -> None:
    """Give ``root`` the command ``demo``."""
    root.command()(demo)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End everything after the last step and exit.")] = False,
    home: Annotated[Path, typer.Option(help="Folder of the demo's data and logs; emptied at every start.")] = Path(
        ".demo"
    ),
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the market; a free one where this is in use.")
    ] = 8505,
    _lang: LangOption = None,
) -> None:
    """Show the main job, for real.

    A market and two services are started, and two schools subscribe: from nothing to active tenants, their expiry,
    their return with their data, and a purge, each step asserted. Without --once all of it stays up until Ctrl-C.

    With DATABASE_URL, databases of its own are made on that server and dropped at the end; without it, an embedded
    server runs in the home.
    """
    from service_market.cli.demo.show import run

    run(home=home, port=port, once=once)
