"""Reads YAML 1.2 from text that nobody vouches for.

Only the parser of ruamel.yaml is used, event by event: nothing is constructed, tags are refused, and size, depth and
the number of values (with what aliases repeat) are bounded. :func:`read` does not raise for a bad text: it returns what
it could read and every fault that it saw; where the text stops being YAML, reading and the list of faults end.

Importing this module needs the extra ``manifest`` and raises :class:`MissingExtraError` without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy

from mt_paas.errors import ManifestFault, MissingExtraError
from mt_paas.standard_api.manifest.rules import printable, quoted
from mt_paas.standard_api.manifest.tree import Mapping, Node, Path, Place, Scalar, Sequence, kind, path_text

try:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, StreamMark
    from ruamel.yaml.events import (
        AliasEvent,
        CollectionStartEvent,
        DocumentStartEvent,
        Event,
        MappingEndEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
        StreamEndEvent,
    )
except ImportError as error:
    raise MissingExtraError("reading a manifest.yaml", "manifest") from error

__all__ = ["MAX_BYTES", "read"]

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 20
_MAX_VALUES = 5000

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_HINTS = {  # a part of the parser's message: what to do
    r"'\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed": 'check the indentation, and put a text that contains ": " in quotes',
    "could not find expected ':'": "a key is followed by a colon and a space",
    "expected <block end>": "check that the keys of a mapping begin in one column, and that every quote is closed",
    "cannot start any token": "put the text in quotes",
    "expected ',' or": "close the bracket",
    "unexpected end of stream": "close the quote",
}


def read(text: str | bytes) -> tuple[Mapping | None, list[ManifestFault]]:
    """Read one YAML document whose root is a mapping; ``None`` when there is no such thing. Bytes are UTF-8."""
    try:
        text = _checked_text(text)
    except _Unreadable as unreadable:
        return None, [unreadable.fault]
    with closing(YAML(typ="safe", pure=True).parse(text)) as events:
        reader = _Reader(events)
        try:
            return reader.document(), reader.faults
        except _Unreadable as unreadable:
            fault = unreadable.fault
        except MarkedYAMLError as error:
            fault = _syntax_fault(error, reader.place)
        except Exception as error:  # noqa: BLE001 - a hostile text makes the parser fail in ways that it does not document
            fault = ManifestFault("", *reader.place, f"can not be read as YAML ({type(error).__name__})")
    return None, [*reader.faults, fault]


class _Unreadable(Exception):
    """Reading can not go on."""

    def __init__(
        self, place: Place, message: str, expected: str = "", suggestion: str = "", *, path: Path = ()
    ) -> None:
        super().__init__(message)
        self.fault = ManifestFault(path_text(path), *place, message, expected, suggestion)


def _checked_text(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise _Unreadable(Place(1, 1), "is too large", f"at most {MAX_BYTES // 1024} KiB")
    if isinstance(text, bytes):
        text = _decoded(text)
    if bad := _UNPRINTABLE.search(text):
        place = _place_after(text[: bad.start()])
        raise _Unreadable(place, f"has a control character: {quoted(bad[0])}", "text", "remove it")
    return text


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_after(data[: error.start].decode("utf-8"))
        raise _Unreadable(place, "is not UTF-8 text", "UTF-8", "save the file as UTF-8") from None


def _place_after(before: str) -> Place:
    lines = re.split(r"\r\n|\r|\n", before)
    return Place(len(lines), len(lines[-1]) + 1)


def _place(mark: StreamMark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _syntax_fault(error: MarkedYAMLError, last: Place) -> ManifestFault:
    problem = printable(str(error.problem), 200)
    mark, context = error.problem_mark, error.context_mark
    if context is not None and "unexpected end" in problem:  # what was not closed is more use than where the file ends
        mark = context
    elif context is not None and error.context and context.line != mark.line:
        problem += f" ({printable(error.context, 100)} from line {context.line + 1}, column {context.column + 1})"
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "")
    return ManifestFault("", *(last if mark is None else _place(mark)), f"is not YAML: {problem}", "", hint)


class _Reader:
    """Builds the tree from the parser's events. ``faults`` are those that reading survives."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.faults: list[ManifestFault] = []
        self.place = Place(1, 1)
        self._events = events
        self._values = 0
        self._anchors: dict[str, tuple[Node, int]] = {}  # a node, and how many values it has

    def document(self) -> Mapping | None:
        """Read the whole stream: one document."""
        self._next()
        if isinstance(self._next(), StreamEndEvent):
            raise _Unreadable(Place(1, 1), "is empty", "a manifest")
        root = self._node(())
        self._next()
        if isinstance(self._next(), DocumentStartEvent):
            raise _Unreadable(
                self.place, "has a second document", "one manifest in a file", 'end the file before "---"'
            )
        if isinstance(root, Mapping):
            return root
        self._fault(root.place, (), f"is {kind(root)}", "a mapping of keys to values")
        return None

    def _next(self) -> Event:
        event = next(self._events)
        self.place = _place(event.start_mark)
        return event

    def _fault(self, place: Place, path: Path, message: str, expected: str = "", suggestion: str = "") -> None:
        self.faults.append(ManifestFault(path_text(path), *place, message, expected, suggestion))

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > _MAX_VALUES:
            raise _Unreadable(self.place, "has too many values", f"at most {_MAX_VALUES}, with what aliases repeat")

    def _node(self, path: Path) -> Node:
        return self._node_of(self._next(), path)

    def _node_of(self, event: Event, path: Path) -> Node:
        if isinstance(event, AliasEvent):
            return self._aliased(event.anchor, path)
        assert isinstance(event, ScalarEvent | CollectionStartEvent)  # noqa: S101 - the parser's grammar
        if len(path) > _MAX_DEPTH:
            raise _Unreadable(self.place, "is nested too deeply", f"at most {_MAX_DEPTH} levels")
        before = self._values
        self._count(1)
        if event.tag is not None:
            self._fault(self.place, path, f"has a tag: {quoted(event.tag)}", "a plain value", "remove the tag")
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, path)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(Sequence(self.place), path)
        else:
            node = self._mapping(Mapping(self.place), path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, self._values - before
        return node

    def _aliased(self, anchor: str, path: Path) -> Node:
        if anchor not in self._anchors:
            message = f"is an alias without an anchor before it: {quoted('*' + anchor)}"
            raise _Unreadable(self.place, message, "a value", 'put a text that begins with "*" in quotes', path=path)
        node, values = self._anchors[anchor]
        self._count(values)
        return deepcopy(node)  # nothing is shared: the report corrects slips in place

    def _scalar(self, event: ScalarEvent, path: Path) -> Scalar:
        if bad := _UNPRINTABLE.search(event.value):
            self._fault(self.place, path, f"has a control character: {quoted(bad[0])}", "text", "remove it")
        is_plain = event.style is None
        return Scalar(self.place, _resolved(event.value) if is_plain else event.value, event.value)

    def _sequence(self, sequence: Sequence, path: Path) -> Sequence:
        while not isinstance(event := self._next(), SequenceEndEvent):
            sequence.items.append(self._node_of(event, (*path, len(sequence.items))))
        return sequence

    def _mapping(self, mapping: Mapping, path: Path) -> Mapping:
        while not isinstance(event := self._next(), MappingEndEvent):
            place = self.place
            key = self._key(self._node_of(event, path), place, path)
            value = self._node((*path, key or "?"))
            if isinstance(value, Scalar) and not value.text and value.value is None:
                value.place = place  # the parser has no better place for what is not there
            if key is None:
                continue
            if key not in mapping.items:
                mapping.items[key], mapping.keys[key] = value, place
                continue
            first = mapping.keys[key]
            self._fault(
                place,
                (*path, key),
                f"is given twice, first at line {first.line}, column {first.column}",
                "each key once",
                "remove one of the two",
            )
        return mapping

    def _key(self, node: Node, place: Place, path: Path) -> str | None:
        if not isinstance(node, Scalar) or not node.text:
            self._fault(place, path, f"has a key that is {kind(node)}", "a word as the key")
        elif node.text == "<<":
            self._fault(place, path, "has a merge key, which YAML 1.2 does not have", "", "write the keys out")
        else:
            return node.text
        return None


def _resolved(text: str) -> str | int | float | bool | None:
    """Return what an unquoted text means in YAML's core schema (1.2, section 10.3.2), as far as a manifest needs it."""
    lower = text.lower()
    if lower in _WORDS and text in {lower, lower.capitalize(), lower.upper()}:
        return _WORDS[lower]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
