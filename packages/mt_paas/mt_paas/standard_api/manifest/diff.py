"""What changed between two manifests of a service, and what of it breaks something for those who use it.

A change breaks when something that a subscriber or the market relied on is withdrawn: an endpoint, a plan, a feature of
a plan, a limit that becomes smaller, a kind of isolation, the header that the market's key travels in. What comes new
breaks nothing, and neither do words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mt_paas.standard_api.manifest.models import Manifest
from mt_paas.standard_api.manifest.tree import path_text

__all__ = ["Change", "difference"]

_Path = tuple[str | int, ...]
_WITHDRAWING = {
    "endpoints": "the market can not call it any more",
    "capabilities": "an extension is withdrawn",
    "features": "subscribers lose it",
    "isolation.supported": "tenants that are kept apart in this way have no home",
    "auth.header_aliases": "callers with the older header are refused",
}
_REPLACING = {
    ("service", "id"): "to the market it is another service",
    ("auth", "header"): "the market's key travels in another header",
    ("auth", "type"): "the market proves itself in another way",
    ("isolation", "default"): "new tenants are kept apart in another way",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``breaks`` says what it breaks, and is empty where it breaks nothing."""

    path: str
    kind: Literal["added", "removed", "changed"]
    old: Any = None
    new: Any = None
    breaks: str = ""

    def describe(self) -> str:
        """Return the change in one line: ``+`` for what came, ``-`` for what went, ``~`` for what changed."""
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        old, new = (json.dumps(value, ensure_ascii=False) for value in (self.old, self.new))
        value = {"added": new, "removed": old, "changed": f"{old} -> {new}"}
        return f"{sign} {self.path}: {value[self.kind]}" + (f"  BREAKS: {self.breaks}" if self.breaks else "")

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON has it."""
        return {"path": self.path, "kind": self.kind, "old": self.old, "new": self.new, "breaks": self.breaks}


def difference(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """Return every change from ``old`` to ``new``, by path. Lists are compared as sets: their order means nothing."""
    before, after = (each.model_dump(mode="json") for each in (old, new))
    return tuple(sorted(_changes((), before, after), key=lambda change: change.path))


def _changes(path: _Path, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in old.keys() | new.keys():
            yield from _changes((*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from (Change(path_text(path), "added", new=item) for item in new if item not in old)
        gone = (item for item in old if item not in new)
        yield from (Change(path_text(path), "removed", old=item, breaks=_withdrawn(path)) for item in gone)
    elif old is None or new is None:
        yield from () if old == new else _each(path, old or new, "added" if old is None else "removed")
    elif old != new:
        yield Change(path_text(path), "changed", old, new, _replaced(path, old, new))


def _each(path: _Path, value: Any, kind: Literal["added", "removed"]) -> Iterator[Change]:
    """Yield what came or went as a whole as the things that it consists of, down to what has a meaning of its own."""
    if isinstance(value, Mapping) and value and len(path) < 2:
        for key, part in value.items():
            yield from _each((*path, key), part, kind)
    elif kind == "added":
        yield Change(path_text(path), "added", new=value)
    else:
        yield Change(path_text(path), "removed", old=value, breaks=_withdrawn(path))


def _withdrawn(path: _Path) -> str:
    if path[0] == "plans":
        return "subscriptions on this plan have none" if len(path) == 2 else _WITHDRAWING.get(str(path[2]), "")
    return _WITHDRAWING.get(str(path[0]), "") or _WITHDRAWING.get(".".join(map(str, path)), "")


def _replaced(path: _Path, old: Any, new: Any) -> str:
    if path in _REPLACING:
        return _REPLACING[path]
    if path == ("version",):
        return "what version 2.0 declares is withdrawn" if new == "1.0" else ""
    is_number = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (old, new))
    if "limits" in path and is_number and new < old:
        return "subscribers have less than they subscribed to"
    return ""
