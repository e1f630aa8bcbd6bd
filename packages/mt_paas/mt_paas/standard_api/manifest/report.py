"""Everything that is wrong with the text of a manifest, at once, each with its place and what to do about it.

The models find the faults; here they get the line and column that the reader remembered, and words for people. A place
is that of the value that is wrong, of the key where the key is wrong, and of the section's key where something is
missing from a section. A key that nobody knows is a fault when it looks like a slip of one that is not there, and a
warning otherwise: the contract ignores fields that it does not know, and people should hear of it. A slip is corrected
in the tree and the rest judged as if it had been written rightly, so that it hides nothing and is told once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mt_paas.errors import ManifestError, ManifestFault
from mt_paas.standard_api.manifest.endpoints import SINCE_2
from mt_paas.standard_api.manifest.models import Manifest
from mt_paas.standard_api.manifest.rules import Finding, closest, quoted
from mt_paas.standard_api.manifest.tree import Mapping, Node, Path, Place, Scalar, Sequence, kind, path_text, plain

__all__ = ["ManifestReport", "check", "check_file"]

_WANTED = {  # by pydantic's name for the error
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "decimal_type": 'an amount such as "12.50"',
    "decimal_parsing": 'an amount such as "12.50"',
}


@dataclass(frozen=True, slots=True)
class ManifestReport:
    """What there is to say about a text. ``manifest`` is there exactly when there are no ``faults``."""

    source: str
    manifest: Manifest | None
    faults: tuple[ManifestFault, ...]
    warnings: tuple[ManifestFault, ...] = ()

    def required(self) -> Manifest:
        """Return the manifest. Raises :class:`ManifestError` with every fault when there is none."""
        if self.manifest is None:
            raise ManifestError(self.faults, self.source)
        return self.manifest


def check_file(path: FilePath) -> ManifestReport:
    """Check a file. One that can not be read has one fault, which says why."""
    from mt_paas.standard_api.manifest.reader import MAX_BYTES

    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        fault = ManifestFault("", 1, 1, f"can not be read: {error.strerror}", "a file that this process may read")
        return ManifestReport(str(path), None, (fault,))
    return check(text, str(path))


def check(text: str | bytes, source: str = "manifest.yaml") -> ManifestReport:
    """Check the text of a manifest; ``source`` is its name in messages. Raises nothing but ``MissingExtraError``."""
    from mt_paas.standard_api.manifest.reader import read

    root, faults = read(text)
    if root is None:
        return ManifestReport(source, None, tuple(faults))
    warnings = _leave_out_what_came_later(root)
    faults += _correct_slips(root)
    for error in _errors(root):
        if error["type"] == "extra_forbidden":
            _, place = _at(root, error["loc"])
            warnings.append(ManifestFault(path_text(error["loc"]), *place, "is not known here and is ignored"))
        else:
            faults += _faults(root, error)
    manifest = None if faults else Manifest.model_validate(plain(root))
    return ManifestReport(source, manifest, _in_order(faults), _in_order(warnings))


def _in_order(faults: Iterable[ManifestFault]) -> tuple[ManifestFault, ...]:
    return tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))


def _leave_out_what_came_later(root: Mapping) -> list[ManifestFault]:
    """Take what only version 2.0 knows out of a manifest that says 1.0; return it as warnings."""
    version = root.items.get("version")
    if not isinstance(version, Scalar) or version.value != "1.0":
        return []
    warnings = []
    for section, later in SINCE_2.items():
        mapping = root.items.get(section) if section else root
        if isinstance(mapping, Mapping):
            for key in [key for key in mapping.items if key in later]:
                place = mapping.keys.pop(key)
                del mapping.items[key]
                path = path_text((section, key) if section else (key,))
                warnings.append(
                    ManifestFault(path, *place, "is ignored in version 1.0", 'version: "2.0"', "raise `version`")
                )
    return warnings


def _errors(root: Mapping) -> list[ErrorDetails]:
    try:
        Manifest.model_validate(plain(root), extra="forbid")
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return []


def _at(root: Mapping, path: Path) -> tuple[Node, Place]:
    """Return the node at ``path``, and where its key stands (or it itself, where it has none).

    Of what is not there, it is the section where it would stand.
    """
    node: Node = root
    place = root.place
    for part in path:
        if isinstance(node, Mapping) and isinstance(part, str):
            if part not in node.items:
                break
            place = node.keys[part]
            node = node.items[part]
        elif isinstance(node, Sequence) and isinstance(part, int):
            node = node.items[part]
            place = node.place
    return node, place


def _correct_slips(root: Mapping) -> list[ManifestFault]:
    """Give misspelt and misplaced keys their right names and places; return them as faults."""
    faults: list[ManifestFault] = []
    while found := list(_slips(root)):
        for path, right in found:
            section, _ = _at(root, path[:-1])
            target, _ = _at(root, right[:-1])
            key, name = str(path[-1]), str(right[-1])
            if not isinstance(section, Mapping) or not isinstance(target, Mapping) or name in target.items:
                continue
            place = section.keys.pop(key)
            target.items[name], target.keys[name] = section.items.pop(key), place
            where = f"`{path_text(path[:-1])}`" if len(path) > 1 else "a manifest"
            faults.append(
                ManifestFault(
                    path_text(path),
                    *place,
                    f"is not a key of {where}",
                    f"`{path_text(right)}`",
                    f"did you mean `{name}`?" if section is target else f"it belongs in `{path_text(right[:-1])}`",
                )
            )
    return faults


def _slips(root: Mapping) -> Iterator[tuple[Path, Path]]:
    """Yield the path of each unknown key that is likely meant to be another, and the path of that other."""
    errors = _errors(root)
    missing = {error["loc"][-1]: error["loc"] for error in errors if error["type"] == "missing"}
    for error in errors:
        if error["type"] != "extra_forbidden":
            continue
        *section, key = error["loc"]
        mapping, _ = _at(root, tuple(section))
        if not isinstance(mapping, Mapping):
            continue
        known = _known(root, tuple(section))
        absent = [name for name in known if name not in mapping.items]
        if guess := closest(str(key), absent):
            yield error["loc"], (*section, guess)
        elif key in missing:
            yield error["loc"], missing[key]


def _known(root: Mapping, section: Path) -> list[str]:
    """Return the keys that a section may have in the version that the manifest says it is."""
    version = root.items.get("version")
    is_first = isinstance(version, Scalar) and version.value == "1.0"
    later = SINCE_2.get(path_text(section), frozenset()) if is_first else frozenset()
    return [name for name in _model(section).model_fields if name not in later]


def _model(path: Path) -> type[BaseModel]:
    """Return the model of a section."""
    model: type[BaseModel] = Manifest
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:  # else a name of the vendor's in a mapping, whose model is found already
            model = _within(field.annotation) or model
    return model


def _within(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is about: of an optional section, or of the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {dict, Union, UnionType, Annotated}:
        return next((found for part in get_args(annotation) if (found := _within(part))), None)
    return None


def _faults(root: Mapping, error: ErrorDetails) -> Iterator[ManifestFault]:
    """Yield a validation error as faults: one for each finding of a rule, one for anything else."""
    path = error["loc"]
    if error["type"] == "missing":
        _, place = _at(root, path[:-1])
        yield ManifestFault(path_text(path), *place, "is missing", _description(path))
        return
    is_key = path[-1] == "[key]"
    path = path[:-1] if is_key else path
    node, key_place = _at(root, path)
    for finding in _findings(error, node):
        part, _ = _at(root, (*path, *finding.within))
        place = key_place if is_key else part.place
        whole = path_text((*path, *finding.within))
        yield ManifestFault(whole, *place, finding.message, finding.expected, finding.suggestion)


def _description(path: Path) -> str:
    field = _model(path[:-1]).model_fields[str(path[-1])]
    return f"{field.description}, such as {quoted(field.examples[0])}" if field.examples else str(field.description)


def _findings(error: ErrorDetails, node: Node) -> Iterable[Finding]:
    """Return what a validation error says about ``node``, in words for people."""
    name, context = error["type"], error.get("ctx", {})
    if name == "manifest":
        findings: tuple[Finding, ...] = context["findings"]
        return findings
    if name in {"enum", "literal_error"}:
        return [_unknown_word(node, re.findall(r"'([^']*)'", context["expected"]))]
    if name in _WANTED:
        return [Finding(f"is {kind(node)}", _WANTED[name], _rewritten(node, name))]
    if name == "too_short":
        return [Finding("is an empty list", "at least one")]
    return [Finding(error["msg"])]


def _unknown_word(node: Node, known: list[str]) -> Finding:
    expected = ("one of " if len(known) > 1 else "") + ", ".join(map(quoted, known))
    if not isinstance(node, Scalar) or node.value is None:
        return Finding(f"is {kind(node)}", expected)
    if not isinstance(node.value, str):
        return Finding(f"is {kind(node)}", expected, _rewritten(node, "string_type"))
    guess = closest(node.text, known)
    return Finding(f"{quoted(node.text)} is not known", expected, f'did you mean "{guess}"?' if guess else "")


def _rewritten(node: Node, error: str) -> str:
    """Return how a single value would be written as what was expected, where that is likely what is meant."""
    if not isinstance(node, Scalar):
        return ""
    if error == "list_type":
        return "write []" if node.value is None else f"write it as a list: [{quoted(node.text)}]"
    return f"put it in quotes: {quoted(node.text)}" if error == "string_type" and node.value is not None else ""
