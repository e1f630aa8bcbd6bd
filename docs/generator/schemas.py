"""JSON Schemas in words: what a field is, and tables of fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from generator.markdown import code, paragraphs, table

__all__ = ["ENVELOPES", "kind_of", "property_table", "schema_section"]

ENVELOPES = ("Envelope_", "Page_")
TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false"}
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "{} or more characters",
    "maxLength": "{} characters at most",
    "pattern": "`{}`",
}


def schema_section(name: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield a heading, the description and the fields of one of the ``known`` schemas."""
    yield f"### {name}\n"
    yield f"{paragraphs(known[name].get('description'))}\n"
    yield property_table(known[name], known) if "properties" in known[name] else f"{kind_of(known[name], known)}\n"


def property_table(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return the fields of ``schema``, and theirs, as a table."""
    return table(["field", "is", "meaning"], _rows(schema, known, ""))


def _rows(schema: Mapping[str, Any], known: Mapping[str, Any], within: str) -> Iterator[list[str]]:
    for name, each in schema["properties"].items():
        optional = "" if name in schema.get("required", []) else " (optional)"
        such = ", ".join(code(json.dumps(value, ensure_ascii=False)) for value in each.get("examples", []))
        meaning = f"{each.get('description', '')} (such as {such})" if such else each.get("description", "")
        yield [code(within + name) + optional, kind_of(each, known), meaning]
        if "properties" in each:
            yield from _rows(each, known, f"{within}{name}.")


def kind_of(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return what a JSON Schema describes, in words."""
    if "$ref" in schema:
        return _named(str(schema["$ref"]).rpartition("/")[2], known)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(each, known) for each in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " or ".join(code(each) for each in schema.get("enum", [schema.get("const")]))
    kind, named = str(schema.get("type", "anything")), schema.get("patternProperties", {}).values()
    if kind == "array":
        kind = f"list of {kind_of(schema.get('items', {}), known)}"
    elif isinstance(each := schema.get("additionalProperties", next(iter(named), None)), dict):
        kind = f"map to {kind_of(each, known)}"
    kind = TYPES.get(kind, kind) + (f" ({schema['format']})" if "format" in schema else "")
    return ", ".join([kind, *(text.format(schema[key]) for key, text in BOUNDS.items() if key in schema)])


def _named(name: str, known: Mapping[str, Any]) -> str:
    if name.startswith(ENVELOPES):
        return f"`data`: {kind_of(known[name]['properties']['data'], known)}"
    return kind_of(known[name], known) if "enum" in known[name] else f"[{name}](#{name.lower()})"
