"""The page of manifest.yaml, from its JSON Schema."""

from __future__ import annotations

import json

from mt_paas.standard_api.manifest import SINCE_2, manifest_schema

from generator.markdown import page
from generator.schemas import property_table, schema_section

__all__ = ["manifest_page"]


def manifest_page() -> str:
    """Return every key of the manifest."""
    schema = json.loads(manifest_schema("2.0"))
    sections = [name for name, each in schema["$defs"].items() if "properties" in each]
    for section, later in SINCE_2.items():
        properties = schema["$defs"][section.capitalize()]["properties"] if section else schema["properties"]
        for name in later:
            properties[name]["description"] += " (2.0)"
    return page(
        "manifest.yaml",
        'How a service introduces itself to a market. What is marked 2.0 needs `version: "2.0"`. Editors',
        "complete it by the JSON Schemas `manifest-1.0.schema.json` and `manifest-2.0.schema.json` in",
        "`packages/mt_paas/mt_paas/standard_api/schemas`.\n",
        property_table(schema, schema["$defs"]),
        *(part for name in sections for part in schema_section(name, schema["$defs"])),
    )
