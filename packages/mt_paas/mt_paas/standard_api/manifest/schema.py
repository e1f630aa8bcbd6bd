"""The JSON Schema of the manifest, made from the models: what another language or an editor needs to know of it."""

from __future__ import annotations

import json
from pathlib import Path

from mt_paas.standard_api.manifest.models import Manifest

__all__ = ["SCHEMA_FILE", "manifest_schema"]

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "manifest-1.0.schema.json"


def manifest_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of ``manifest.yaml`` 1.0, as the published file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mt-paas:manifest:1.0",
        **Manifest.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
