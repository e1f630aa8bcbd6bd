"""What a check may expect of an answer, and how it says that an answer is something else.

An :class:`Answer` is judged on the wire: its status, its content type, the JSON as it was written (times in UTC, types
as the contract has them), and then by the models of the contract. A null is taken like a member that is not there, and
members that nobody knows are fine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, NoReturn, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from mt_paas.conformance.evidence import Exchange
from mt_paas.standard_api.models import ContractModel
from mt_paas.standard_api.wire import WireError, check, is_json, read

__all__ = [
    "Answer",
    "Blocked",
    "Inapplicable",
    "Violation",
    "at_path",
    "error_word",
    "is_utc",
    "password_members",
    "time_of",
]

_UTC = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]00:00)", re.ASCII)
_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]*")
_PASSWORD = re.compile(r"passw|passphrase|passcode|pwd|secret", re.IGNORECASE)
_FREE_FORM = frozenset({"metadata", "settings", "limits"})

Model = TypeVar("Model", bound=ContractModel)


class Violation(Exception):
    """The service breaks the rule of a check. ``exchange`` is where it shows, by default the check's last one."""

    def __init__(self, message: str, exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exchange = exchange


class Inapplicable(Exception):
    """The check does not apply, as turned out while it ran; the text says why."""


class Blocked(Exception):
    """The check could not be made, because something that other checks judge did not work."""

    def __init__(self, needed: str, violation: Violation) -> None:
        super().__init__(f"could not be judged, because {needed} fails")
        self.needed = needed
        self.violation = violation


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered to one call."""

    call: str
    status: int
    headers: dict[str, str]
    body: bytes
    exchange: Exchange

    def expect(self, *statuses: int) -> Self:
        """Return this answer if its status is one of ``statuses``; raise ``Violation`` otherwise."""
        if self.status not in statuses:
            self.fail(f"expected {' or '.join(map(str, statuses))}")
        return self

    def fail(self, what: str) -> NoReturn:
        """Raise ``Violation``: what is wrong with this answer."""
        word = self.error_word
        raise Violation(f"{self.call} answered {self.status}{f' {word}' if word else ''}: {what}", self.exchange)

    def require(self, good: Any, what: str) -> None:
        """Raise ``Violation`` with ``what`` unless ``good``."""
        if not good:
            self.fail(what)

    def json(self) -> Any:
        """Return the body read as JSON; raise ``Violation`` if it is none, or is not announced as JSON in UTF-8."""
        self.require(is_json(self.content_type), f"the content type is {self.content_type or 'missing'}, not JSON")
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            self.fail("the body is not JSON in UTF-8")

    def object(self) -> dict[str, Any]:
        """Return the body read as a JSON object; raise ``Violation`` if it is something else."""
        value = self.json()
        if not isinstance(value, dict):
            self.fail("the body is not a JSON object")
        members: dict[str, Any] = value
        return members

    def model(self, model: type[Model], **expected: Any) -> Model:
        """Return the body as ``model``; raise ``Violation`` naming every member that is wrong.

        Times must be in UTC. ``expected`` are members that must have these very values.
        """
        members = self.object()
        try:
            check(self.body)
            raw = self.body
            if b"null" in raw:
                raw = json.dumps(_without_nulls(members)).encode()
            value = read(model, raw)
        except WireError as error:
            self.fail(f"not as the contract has it: {error}")
        for path in _times(model):
            for place, text in at_path(members, path):
                self.require(text is None or is_utc(text), f"{place} is {text!r}, not RFC 3339 in UTC")
        for name, wanted in expected.items():
            self.require(members.get(name) == wanted, f"{name} is {members.get(name)!r}, expected {wanted!r}")
        return value

    def refuse(self, status: int | tuple[int, ...], word: str | tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the error of an answer that refuses with ``status`` and, where given, the error ``word``.

        The error must have the contract's shape. Raises ``Violation`` otherwise, and where the call was granted.
        """
        statuses = (status,) if isinstance(status, int) else status
        words = (word,) if isinstance(word, str) else word
        wanted = f"expected {' or '.join(map(str, statuses))}{' ' if words else ''}{' or '.join(words)}"
        self.require(self.status in statuses, wanted)
        error = self.error()
        self.require(not words or error["error"] in words, wanted)
        return error

    def refused(self) -> Self:
        """Return this answer if it is any 4xx; raise ``Violation`` otherwise."""
        self.require(400 <= self.status < 500, "expected a refusal (4xx)")
        return self

    def error(self) -> dict[str, Any]:
        """Return the error in the contract's one shape; raise ``Violation`` for another shape."""
        members = self.object()
        word, message = members.get("error"), members.get("message")
        if not isinstance(word, str) or not _ERROR_WORD.fullmatch(word):
            self.fail(f"`error` is {word!r}, not a machine word such as tenant_not_found")
        if not isinstance(message, str) or not message.strip():
            self.fail("`message` is not a text for people")
        told = members.get("status")
        self.require(told is None or told == self.status, f"`status` in the body is {told!r}")
        retryable = members.get("retryable")
        self.require(retryable is None or isinstance(retryable, bool), f"`retryable` is {retryable!r}")
        for name in ("request_id", "type", "title", "detail"):
            value = members.get(name)
            self.require(value is None or isinstance(value, str), f"`{name}` is {value!r}, not a text")
        return members

    @property
    def content_type(self) -> str:
        """What the answer says that it is."""
        return self.headers.get("content-type", "")

    @property
    def error_word(self) -> str:
        """The machine word of an error, for a message; empty where there is none."""
        return error_word(self.status, self.body)


def error_word(status: int | None, body: bytes) -> str:
    """Return the machine word of an error that was answered; empty where there is none."""
    if status is None or status < 400 or len(body) > 100_000:
        return ""
    try:
        word = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return word if isinstance(word, str) and _ERROR_WORD.fullmatch(word) else ""


def is_utc(text: object) -> bool:
    """Return whether ``text`` is a time of RFC 3339 in UTC that the calendar has."""
    if not isinstance(text, str) or not _UTC.fullmatch(text):
        return False
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def time_of(text: object) -> datetime:
    """Return the time that an answer gave, in UTC. Raises ``Violation`` if it is not RFC 3339 with a zone."""
    try:
        moment = _parsed(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Violation(f"{text!r} is not a time of RFC 3339")
    return moment.astimezone(UTC)


def at_path(members: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the place and value of what is at ``path``; ``*`` stands for every item or member. Nulls are left out."""
    if members is None:
        return
    if not path:
        yield "", members
        return
    head, rest = path[0], path[1:]
    steps: list[tuple[str, Any]] = []
    if head == "*":
        if isinstance(members, list):
            steps = [(str(index), item) for index, item in enumerate(members)]
        elif isinstance(members, dict):
            steps = list(members.items())
    elif isinstance(members, dict) and head in members:
        steps = [(head, members[head])]
    for step, value in steps:
        for place, found in at_path(value, rest):
            yield f"{step}.{place}" if place else step, found


def password_members(members: Any, path: str = "") -> Iterator[str]:
    """Yield the place of every member whose name says that it is a password, with a value in it."""
    if isinstance(members, dict):
        for name, value in members.items():
            place = f"{path}.{name}" if path else name
            if value and not isinstance(value, (dict, list, bool)) and _PASSWORD.search(name):
                yield place
            yield from password_members(value, place)
    elif isinstance(members, list):
        for index, item in enumerate(members):
            yield from password_members(item, f"{path}.{index}")


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d+", r".\1", text.upper()))


def _without_nulls(value: Any) -> Any:
    """Return ``value`` without members that are null; inside of free-form objects nothing is touched."""
    if isinstance(value, dict):
        return {
            name: member if name in _FREE_FORM else _without_nulls(member)
            for name, member in value.items()
            if member is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


@cache
def _times(model: type[BaseModel]) -> tuple[tuple[str, ...], ...]:
    """Return the paths of all times in ``model``."""
    return tuple(
        (name, *path) for name, field in model.model_fields.items() for path in _times_within(field.annotation)
    )


def _times_within(annotation: Any) -> Iterator[tuple[str, ...]]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _times(annotation)
    elif annotation is datetime or getattr(annotation, "__name__", "") == "AwareDatetime":
        yield ()
    elif origin is Annotated:
        yield from _times_within(arguments[0])
    elif origin in {Union, UnionType}:
        for argument in arguments:
            yield from _times_within(argument)
    elif origin in {list, dict}:
        for path in _times_within(arguments[-1]):
            yield ("*", *path)
