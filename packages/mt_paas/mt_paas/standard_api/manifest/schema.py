"""The JSON Schemas of the manifest, made from the models: what another language or an editor needs to know of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from mt_paas.standard_api.manifest.endpoints import SINCE_2
from mt_paas.standard_api.manifest.models import Manifest

__all__ = ["MANIFEST_VERSIONS", "ManifestVersion", "manifest_schema", "schema_file"]

ManifestVersion = Literal["1.0", "2.0"]
MANIFEST_VERSIONS: tuple[ManifestVersion, ...] = ("1.0", "2.0")


def schema_file(version: ManifestVersion) -> Path:
    """Return where the published schema of ``manifest.yaml`` of a version is."""
    return Path(__file__).parent.parent / "schemas" / f"manifest-{version}.schema.json"


def manifest_schema(version: ManifestVersion) -> str:
    """Return the JSON Schema (draft 2020-12) of ``manifest.yaml`` of a version, as the published file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mt-paas:manifest:{version}",
        **Manifest.model_json_schema(),
    }
    schema["properties"]["version"] = {
        **schema["properties"]["version"],
        "const": version,
        "enum": [version],
        "examples": [version],
    }
    if version == "1.0":
        for section, later in SINCE_2.items():
            properties = schema["$defs"][section.capitalize()]["properties"] if section else schema["properties"]
            for name in later:
                del properties[name]
        schema["$defs"] = {name: part for name, part in schema["$defs"].items() if name in _used(schema)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _used(schema: dict[str, Any]) -> set[str]:
    """Return the names of the definitions that something refers to, from the top down."""
    used: set[str] = set()
    waiting: list[Any] = [{name: part for name, part in schema.items() if name != "$defs"}]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name and name not in used:
                used.add(name)
                waiting.append(schema["$defs"][name])
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return used
