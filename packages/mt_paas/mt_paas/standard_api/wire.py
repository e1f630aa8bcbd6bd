"""Reading JSON that came over the wire: strictly, within bounds, and with every fault and its place.

JSON leaves open what two equal keys, ``NaN`` or a thousand levels mean (RFC 8259, sections 4, 6 and 9), and two readers
that take it differently are a hole. Here such a document is a fault. Used on both sides of the contract: for the body
of a request, and for the answer of a service.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mt_paas.errors import MtPaasError

__all__ = ["WireError", "WireFault", "check", "is_json", "read"]

_MAX_DEPTH = 32
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class WireFault:
    """One fault of a document: where (``admin.email``, ``features.2``, empty for the whole) and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class WireError(MtPaasError):
    """A document that is not what it should be, with every fault that it has. Values are never quoted."""

    def __init__(self, faults: list[WireFault]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def is_json(content_type: str) -> bool:
    """Return whether ``content_type`` announces JSON in UTF-8: ``application/json`` or any ``…+json`` (RFC 6839)."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    announced = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    return announced and all(charset in {"utf-8", "utf8", "us-ascii"} for charset in charsets)


def read(model: type[Model], raw: bytes) -> Model:
    """Return the JSON document ``raw`` as ``model``. Raises ``WireError`` with every fault."""
    check(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        # Not chained: the text of pydantic's error quotes what was sent, and that may be a secret.
        raise WireError(_faults(error)) from None


def check(raw: bytes) -> None:
    """Raise ``WireError`` unless ``raw`` is a JSON object that every reader takes alike and every database stores."""
    if not raw.strip():
        raise WireError([WireFault("", "it is empty; expected a JSON object")])
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise WireError([WireFault("", f"it is not UTF-8, from byte {error.start} on")]) from None
    except RecursionError:
        raise WireError([WireFault("", f"it is nested deeper than {_MAX_DEPTH} levels")]) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise WireError([WireFault("", f"it is not JSON: {error.msg} ({place})")]) from None
    except ValueError as error:  # the two hooks below, and integers past Python's limit of digits
        raise WireError([WireFault("", str(error))]) from None
    if not isinstance(document, dict):
        raise WireError([WireFault("", "expected a JSON object")])
    faults = list(_walk(document, ()))
    if faults:
        raise WireError(faults)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} is there more than once in one object")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[WireFault]:
    place = ".".join(path)
    if len(path) > _MAX_DEPTH:
        yield WireFault(".".join(path[:3]) + "…", f"it is nested deeper than {_MAX_DEPTH} levels")
    elif isinstance(value, dict):
        for name, member in value.items():
            if found := _UNSTORABLE.search(name):
                yield WireFault(place, f"a key holds {_told(found)}, which no database stores")
            else:
                yield from _walk(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, str(index)))
    elif isinstance(value, str) and (found := _UNSTORABLE.search(value)):
        yield WireFault(place, f"it holds {_told(found)}, which no database stores")
    elif isinstance(value, float) and not math.isfinite(value):
        yield WireFault(place, "the number is too large")


def _told(found: re.Match[str]) -> str:
    return "the character U+0000" if found[0] == "\0" else f"the lone surrogate U+{ord(found[0]):04X}"


def _faults(error: ValidationError) -> list[WireFault]:
    entries = error.errors(include_url=False, include_context=False, include_input=False)
    return [WireFault(".".join(str(step) for step in entry["loc"]), entry["msg"]) for entry in entries]
