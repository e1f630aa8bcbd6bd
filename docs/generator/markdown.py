"""What every page is made of: its head, tables, code and paragraphs, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import TypeAdapter

__all__ = ["code", "default_of", "page", "paragraphs", "table"]

NOTE = "<!-- Made by docs/generate.py. Change the code and run `make docs`. -->\n"


def page(title: str, *parts: str) -> str:
    """Return a page: the note of who made it, its title, and ``parts``, each with its own line ends."""
    return "\n".join([NOTE, f"# {title}\n", *parts]).rstrip("\n") + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table with the columns ``head``."""
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    cells = ([" ".join(text.split()).replace("|", "\\|") for text in line] for line in lines)
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)


def code(value: object) -> str:
    """Return ``value`` as code; nothing where there is none."""
    return f"`{value}`" if str(value) else ""


def default_of(value: Any) -> str:
    """Return a default as code; nothing for one that says nothing."""
    if value in (None, False, ()):
        return ""
    if isinstance(value, timedelta):
        return code(TypeAdapter(timedelta).dump_python(value, mode="json"))
    return code(value.value if isinstance(value, Enum) else value)


def paragraphs(text: str | None) -> str:
    """Return a docstring as Markdown: one line a paragraph, code in single backquotes."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").replace("``", "`").split("\n\n"))
