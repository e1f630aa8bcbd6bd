"""Writes the published JSON Schema of the manifest: ``python -m mt_paas.standard_api.manifest``."""

from __future__ import annotations

from mt_paas.standard_api.manifest.schema import SCHEMA_FILE, manifest_schema

SCHEMA_FILE.write_text(manifest_schema(), encoding="utf-8")
