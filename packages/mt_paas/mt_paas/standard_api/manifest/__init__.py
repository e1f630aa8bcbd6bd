"""``manifest.yaml``: how a service introduces itself to a market.

``Manifest.load("manifest.yaml")`` returns a manifest or raises ``ManifestError`` with every fault; :func:`check`
returns faults and warnings. Editors complete and check manifests by the JSON Schemas
``schemas/manifest-1.0.schema.json`` and ``-2.0``, which ``python -m mt_paas.standard_api.manifest`` writes.
"""

from __future__ import annotations

from mt_paas.standard_api.manifest.diff import Change, difference
from mt_paas.standard_api.manifest.endpoints import EXTENSIONS, SINCE_2, Endpoints
from mt_paas.standard_api.manifest.models import (
    DEFAULT_KEY_HEADER,
    Auth,
    AuthType,
    Isolation,
    IsolationLevel,
    Manifest,
    Resources,
    Service,
)
from mt_paas.standard_api.manifest.report import ManifestReport, check, check_file
from mt_paas.standard_api.manifest.schema import MANIFEST_VERSIONS, ManifestVersion, manifest_schema, schema_file
from mt_paas.standard_api.manifest.sections import DriverName, Localized, OAuth2, Plan, Price, Provisioning

__all__ = [
    "DEFAULT_KEY_HEADER",
    "EXTENSIONS",
    "MANIFEST_VERSIONS",
    "SINCE_2",
    "Auth",
    "AuthType",
    "Change",
    "DriverName",
    "Endpoints",
    "Isolation",
    "IsolationLevel",
    "Localized",
    "Manifest",
    "ManifestReport",
    "ManifestVersion",
    "OAuth2",
    "Plan",
    "Price",
    "Provisioning",
    "Resources",
    "Service",
    "check",
    "check_file",
    "difference",
    "manifest_schema",
    "schema_file",
]
