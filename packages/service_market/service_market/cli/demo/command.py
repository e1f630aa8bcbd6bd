"""``market demo``."""

from __future__ import annotations

import typer


def add_to(root: typer.Typer) -> None:
    pass
