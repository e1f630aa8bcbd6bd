"""Writes the published JSON Schemas of the manifest: ``python -m mt_paas.standard_api.manifest``."""

from __future__ import annotations

from mt_paas.standard_api.manifest.schema import MANIFEST_VERSIONS, manifest_schema, schema_file

for version in MANIFEST_VERSIONS:
    schema_file(version).write_text(manifest_schema(version), encoding="utf-8")
