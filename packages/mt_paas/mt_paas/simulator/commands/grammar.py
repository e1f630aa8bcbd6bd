"""The language of the simulator: one command a line, as words and as ``name=value``; quotes and ``#`` as in a shell."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mt_paas.errors import ConfigurationError, MtPaasError

__all__ = ["CommandError", "Words", "checked", "duration_of", "moment_of", "number_of", "parse", "value_of"]

_OPTION = re.compile(r"([a-z][a-z0-9_]*)=(.*)", re.DOTALL)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0  # seconds

Model = TypeVar("Model", bound=BaseModel)


class CommandError(MtPaasError):
    """A command that is not understood, or can not be carried out; the message says what would be."""


@dataclass(slots=True)
class Words:
    """A parsed line. Handlers take what they know, and :meth:`finish` refuses what is left."""

    name: str
    line: str
    positional: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def word(self, what: str, default: str | None = None) -> str:
        """Take the next word. Raises ``CommandError`` where there is none and no default."""
        if self.positional:
            return self.positional.pop(0)
        if default is None:
            raise CommandError(f"{self.name}: {what} is missing")
        return default

    def maybe(self) -> str | None:
        """Take the next word, or None."""
        return self.positional.pop(0) if self.positional else None

    def option(self, name: str) -> str | None:
        """Take ``name=…``, or None."""
        return self.options.pop(name, None)

    def flag(self, name: str, *, default: bool) -> bool:
        """Take ``name=yes`` or ``name=no``."""
        given = self.option(name)
        if given is None:
            return default
        if given.lower() not in {"yes", "no", "true", "false"}:
            raise CommandError(f"{self.name}: {name} is yes or no, not {given!r}")
        return given.lower() in {"yes", "true"}

    def rest(self) -> str:
        """Take all words that are left, as one text."""
        text = " ".join(self.positional)
        self.positional.clear()
        return text

    def finish(self) -> None:
        """Raise ``CommandError`` for words that nobody took."""
        left = [*self.positional, *(f"{name}={value}" for name, value in self.options.items())]
        if left:
            raise CommandError(f"{self.name} does not take {left[0]!r}; see: help {self.name}")


def parse(line: str) -> Words | None:
    """Return a line as words; None where nothing but a comment stands in it. Raises ``CommandError``."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise CommandError(f"{line.strip()!r} is not understood: {str(error).lower()}") from None
    if not words:
        return None
    parsed = Words(words[0].lower(), line.strip())
    for word in words[1:]:
        option = _OPTION.fullmatch(word)
        if option is None:
            parsed.positional.append(word)
        elif option[1] in parsed.options:
            raise CommandError(f"{parsed.name}: {option[1]}= is given twice")
        else:
            parsed.options[option[1]] = option[2]
    return parsed


def duration_of(text: str) -> float:
    """Return ``2s``, ``500ms``, ``1m``, ``2h`` or ``3d`` in seconds; a bare number is seconds."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else _LONGEST + 1
    if seconds > _LONGEST:
        raise CommandError(f"{text!r} is no time; write 2s, 500ms, 1m, 2h or 3d")
    return seconds


def moment_of(text: str, now: datetime) -> datetime:
    """Return ``+1h`` from ``now``, or an RFC 3339 time with its zone."""
    if text.startswith("+"):
        return now + timedelta(seconds=duration_of(text[1:]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"{text!r} is no moment; write +1h, or 2026-01-03T12:00:00Z")
    return moment


def value_of(text: str) -> Any:
    """Return a value as JSON would have it: a number, true, false or null where it is one, else the text."""
    if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,15})", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text):
        return float(text)
    return {"true": True, "false": False, "null": None}.get(text, text)


def checked(model: type[Model], content: dict[str, Any]) -> Model:
    """Return what is to be sent as a model of the contract. Raises ``CommandError`` with every fault."""
    try:
        return model.model_validate_json(json.dumps(content))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise CommandError("; ".join(faults)) from None


def number_of(name: str, text: str) -> float:
    """Return a number. Raises ``ConfigurationError``."""
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} is a number, not {text!r}") from None
