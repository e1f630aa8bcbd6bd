from __future__ import annotations

import json

from mt_paas.standard_api.manifest import SCHEMA_FILE, manifest_schema


def test_the_published_file_is_the_one_that_the_models_make() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == manifest_schema(), "run: python -m mt_paas.standard_api.manifest"


def test_it_requires_what_the_models_require() -> None:
    schema = json.loads(manifest_schema())
    assert schema["required"] == ["version", "service", "endpoints", "auth", "isolation"]
    assert schema["$defs"]["Endpoints"]["required"] == [
        "base_url",
        "health",
        "tenant_activate",
        "tenant_deactivate",
        "tenant_status",
    ]


def test_every_field_is_described_for_editors() -> None:
    schema = json.loads(manifest_schema())
    sections = [schema, *(section for section in schema["$defs"].values() if "properties" in section)]
    assert len(sections) == 6
    assert all(field.get("description") for section in sections for field in section["properties"].values())
