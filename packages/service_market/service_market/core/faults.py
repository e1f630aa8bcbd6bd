"""What is wrong with a value, in a sentence for people: pydantic's names for faults in the market's words.

A text that must have a form is told the form in words, where the words were given with the pattern (:func:`form`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from mt_paas.standard_api.models import TENANT_ID_PATTERN, Email, Name, Word
from pydantic import StringConstraints

__all__ = ["SLUG", "form", "sentence"]

SLUG = "3 to 63 characters a-z, 0-9, _ and -, the first and the last a letter or digit"
_FORMS: dict[str, str] = {}  # what a pattern means


def form(pattern: str, words: str) -> StringConstraints:
    """Return the constraint of a text that must match ``pattern``, which ``words`` describe to people."""
    _FORMS[pattern] = words
    return StringConstraints(pattern=pattern)


def _pattern(annotated: Any) -> str:
    return next(str(each.pattern) for each in get_args(annotated) if isinstance(each, StringConstraints))


_FORMS |= {
    TENANT_ID_PATTERN: SLUG,
    _pattern(Email): "an e-mail address",
    _pattern(Name): "a line of text that is not blank",
    _pattern(Word): "1 to 63 characters a-z, A-Z, 0-9, _, . and -, the first a letter or digit",
}

#: By pydantic's name for the fault, or for its family: the part before the last underscore.
_SENTENCES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "it must be a text",
    "string_too_long": "it has more than {max_length} characters",
    "string_too_short": "it has fewer than {min_length} characters",
    "int": "it must be a whole number",
    "float": "it must be a number",
    "decimal": "it must be a number",
    "bool": "it must be true or false",
    "list": "it must be a list",
    "dict": "it must be an object",
    "model": "it must be an object",
    "model_attributes": "it must be an object",
    "uuid": "it must be an id such as 0198a4c2-7d1e-7aa0-b3a1-0c6a5f0d9b11",
    "datetime": "it must be a time such as 2027-03-01T00:00:00Z",
    "datetime_from_date": "it must be a time such as 2027-03-01T00:00:00Z",
    "timezone": "it must be a time with its zone, such as 2027-03-01T00:00:00Z",
    "enum": "it must be one of {expected}",
    "literal_error": "it must be one of {expected}",
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "decimal_max_digits": "it has more than {max_digits} digits",
    "decimal_max_places": "it has more than {decimal_places} digits after the point",
    "decimal_whole_digits": "it has more than {whole_digits} digits before the point",
    "finite_number": "it must be a number",
    "too_long": "it has more than {max_length} entries",
    "too_short": "it has fewer than {min_length} entries",
}


def sentence(fault: Mapping[str, Any]) -> str:
    """Return what the fault, one of pydantic's, says; the value that is wrong is not quoted."""
    kind, context = str(fault["type"]), fault.get("ctx") or {}
    if kind == "value_error":  # a validator of our own: its words are for people already
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"it must be {_FORMS[pattern]}" if pattern in _FORMS else f"it does not match {pattern}"
    if kind in {"string_too_short", "too_short"} and context["min_length"] == 1:
        return "it is empty"
    if context.get("field_type") == "Value":  # a secret: a text that is not shown
        kind = f"string_{kind}"
    words = _SENTENCES.get(kind) or _SENTENCES.get(kind.rpartition("_")[0])
    if words is None:
        return str(fault["msg"])
    return words.format(**{name: _unquoted(value) for name, value in context.items()})


def _unquoted(value: Any) -> str:
    return re.sub(r"'([^']*)'", r"\1", str(value))
