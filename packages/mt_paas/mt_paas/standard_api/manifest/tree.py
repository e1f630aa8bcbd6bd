"""A document as a tree that remembers where everything stands; between the reader of YAML and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from mt_paas.standard_api.manifest.rules import printable

__all__ = ["Mapping", "Node", "Path", "Place", "Scalar", "Sequence", "kind", "path_text", "plain"]


class Place(NamedTuple):
    """Where something stands. ``line`` and ``column`` count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar:
    """A single value; ``text`` is how it was written, without quotes."""

    place: Place
    value: str | int | float | bool | None
    text: str


@dataclass(slots=True)
class Sequence:
    """A list."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Values by their keys, in their order; ``keys`` tells where each key stands."""

    place: Place
    items: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping
Path: TypeAlias = tuple[str | int, ...]


def plain(node: Node) -> Any:
    """Return the tree as dicts, lists and single values."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.items.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def kind(node: Node) -> str:
    """Say what a node is, in words for a message."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return "true or false"
    return "a text" if isinstance(node.value, str) else "a number"


def path_text(path: Path) -> str:
    """Return a path as people write it: ``isolation.supported[1]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in path).removeprefix(".")
