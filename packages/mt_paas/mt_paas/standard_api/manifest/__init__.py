"""``manifest.yaml``: how a service introduces itself to a market.

``Manifest.load("manifest.yaml")`` returns a manifest or raises ``ManifestError`` with every fault; :func:`check`
returns faults and warnings. Editors complete and check manifests by the JSON Schema
``schemas/manifest-1.0.schema.json``, which ``python -m mt_paas.standard_api.manifest`` writes.
"""

from __future__ import annotations

from mt_paas.standard_api.manifest.models import (
    DEFAULT_KEY_HEADER,
    Auth,
    AuthType,
    Endpoints,
    Isolation,
    IsolationLevel,
    Manifest,
    Resources,
    Service,
)
from mt_paas.standard_api.manifest.report import ManifestReport, check, check_file
from mt_paas.standard_api.manifest.schema import SCHEMA_FILE, manifest_schema

__all__ = [
    "DEFAULT_KEY_HEADER",
    "SCHEMA_FILE",
    "Auth",
    "AuthType",
    "Endpoints",
    "Isolation",
    "IsolationLevel",
    "Manifest",
    "ManifestReport",
    "Resources",
    "Service",
    "check",
    "check_file",
    "manifest_schema",
]
