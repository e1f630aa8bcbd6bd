from __future__ import annotations

import json

import pytest
from mt_paas.standard_api.manifest import MANIFEST_VERSIONS, SINCE_2, ManifestVersion, manifest_schema, schema_file

every_version = pytest.mark.parametrize("version", MANIFEST_VERSIONS)


@every_version
def test_the_published_file_is_the_one_that_the_models_make(version: ManifestVersion) -> None:
    published = schema_file(version).read_text(encoding="utf-8")
    assert published == manifest_schema(version), "run: python -m mt_paas.standard_api.manifest"


@every_version
def test_it_requires_what_the_models_require(version: ManifestVersion) -> None:
    schema = json.loads(manifest_schema(version))
    assert schema["required"] == ["version", "service", "endpoints", "auth", "isolation"]
    assert schema["$defs"]["Endpoints"]["required"] == [
        "base_url",
        "health",
        "tenant_activate",
        "tenant_deactivate",
        "tenant_status",
    ]


@pytest.mark.parametrize(("version", "sections"), [("1.0", 6), ("2.0", 11)])
def test_every_field_is_described_for_editors(version: ManifestVersion, sections: int) -> None:
    schema = json.loads(manifest_schema(version))
    found = [schema, *(section for section in schema["$defs"].values() if "properties" in section)]
    assert len(found) == sections
    assert all(field.get("description") for section in found for field in section["properties"].values())


def test_that_of_the_first_version_has_nothing_that_came_later() -> None:
    schema = json.loads(manifest_schema("1.0"))
    assert schema["properties"]["version"]["enum"] == ["1.0"]
    assert not SINCE_2[""] & schema["properties"].keys()
    assert not SINCE_2["endpoints"] & schema["$defs"]["Endpoints"]["properties"].keys()
    assert not {"Plan", "OAuth2"} & schema["$defs"].keys()
