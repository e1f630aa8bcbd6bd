"""What is shown: tables for people on standard output, JSON for programs instead, everything else on standard error.

Colour is used on a terminal only. A table that is wider than the terminal becomes blocks of one line a field, so that
nothing is cut off; into a pipe a table is as wide as it needs. What comes from outside can not steer the terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from service_market.cli import text
from service_market.cli.text import Message

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["Column", "Screen"]

_PIPE_WIDTH = 10_000
_NOTHING = "–"
_STYLES = {
    **dict.fromkeys(("active", "listed", "succeeded", "done"), "green"),
    **dict.fromkeys(("failed", "rejected", "undo_failed"), "bold red"),
    **dict.fromkeys(("deactivated", "purged", "expired", "cancelled", "retired", "undone"), "bright_black"),
    **dict.fromkeys(
        ("pending", "provisioning", "deactivating", "purging", "running", "undoing", "verifying", "suspended"), "yellow"
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of what the API gave, and its header. ``read`` is for fields that are not shown as they are."""

    header: Message
    field: str
    read: Callable[[dict[str, Any]], Any] | None = None

    def value(self, row: dict[str, Any]) -> Any:
        """Return what this column shows of ``row``."""
        return self.read(row) if self.read else row.get(self.field)


class Screen:
    """Where a command shows its results and says what it does."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def rows(self, data: Sequence[dict[str, Any]], columns: Sequence[Column]) -> None:
        """Show a list."""
        if self.as_json:
            self._json(data)
        elif not data:
            self.say(text.NOTHING())
        else:
            self._table(data, columns)

    def thing(self, data: dict[str, Any], columns: Sequence[Column]) -> None:
        """Show one thing, a line a field; fields without a value are left out."""
        if self.as_json:
            self._json(data)
        else:
            self._block(data, columns, _console(sys.stdout))

    def say(self, sentence: str, *, style: str = "") -> None:
        """Say something about the work, on standard error."""
        _print(_console(sys.stderr), sentence, style)

    def complain(self, sentence: str) -> None:
        """Say why the command ends, on standard error."""
        from rich.text import Text

        console = _console(sys.stderr)
        console.print(Text.assemble((f"{text.ERROR()}: ", "bold red"), _safe(sentence)), soft_wrap=True)

    def busy(self, sentence: str) -> AbstractContextManager[Any]:
        """Show that something is waited for, on a terminal; elsewhere nothing."""
        console = _console(sys.stderr)
        return console.status(sentence) if console.is_terminal else nullcontext()

    def _json(self, data: Any) -> None:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")

    def _table(self, data: Sequence[dict[str, Any]], columns: Sequence[Column]) -> None:
        from rich import box
        from rich.measure import Measurement
        from rich.table import Table

        console = _console(sys.stdout)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column.header(), no_wrap=True)
        for row in data:
            table.add_row(*(_cell(column, row) for column in columns))
        if Measurement.get(console, console.options.update(width=_PIPE_WIDTH), table).maximum <= console.width:
            console.print(table)
            return
        for number, row in enumerate(data):
            if number:
                console.print()
            self._block(row, columns, console)

    def _block(self, row: dict[str, Any], columns: Sequence[Column], console: Console) -> None:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bright_black", no_wrap=True)
        grid.add_column(overflow="fold")
        for column in columns:
            if column.value(row) not in (None, [], {}, ""):
                grid.add_row(column.header(), _cell(column, row))
        console.print(grid)


def _console(stream: Any) -> Console:
    from rich.console import Console

    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _print(console: Console, sentence: str, style: str) -> None:
    from rich.text import Text

    console.print(Text(_safe(sentence), style), soft_wrap=True)


def _cell(column: Column, row: dict[str, Any]) -> Text:
    from rich.text import Text

    shown = _shown(column.value(row))
    return Text(_safe(shown), _STYLES.get(shown, ""))


def _shown(value: Any) -> str:
    match value:
        case None | "":
            return _NOTHING
        case bool():
            return text.YES() if value else text.NO()
        case list():
            return ", ".join(_shown(each) for each in value) or _NOTHING
        case dict():
            return ", ".join(f"{name}={_shown(each)}" for name, each in value.items()) or _NOTHING
        case str() if moment := _moment(value):
            return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
    return str(value)


def _moment(value: str) -> datetime | None:
    """Return the time in ``value`` where it is one as the API writes it, with its zone."""
    if len(value) < len("2026-01-01T00:00:00Z") or value[10] != "T":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _safe(words: str) -> str:
    """Return ``words`` without what a terminal would obey: escape sequences and other controls."""
    words = words.replace("\t", " ")
    return "".join(each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in words)
