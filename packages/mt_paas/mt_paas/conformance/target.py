"""The service under test: where it is, and what it declares.

What it declares is in its manifest: the one that is given, the one that it serves, or, when there is none, the paths
and the header of version 1. A manifest is read as liberally as the tests allow: what is wrong in a part that they do
not need is told by the check ``manifest.valid``, and only what they can not do without stops them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from mt_paas.errors import ConfigurationError
from mt_paas.standard_api.manifest import DEFAULT_KEY_HEADER

__all__ = ["REQUIRED_ENDPOINTS", "Document", "Target", "read_document", "target_of"]

#: The paths of version 1, for a service without a manifest.
DEFAULT_ENDPOINTS = {
    "health": "/mt/health",
    "tenant_activate": "/mt/tenant/{tenant_id}/activate",
    "tenant_deactivate": "/mt/tenant/{tenant_id}/deactivate",
    "tenant_status": "/mt/tenant/{tenant_id}/status",
    "usage_report": "/mt/tenant/{tenant_id}/usage",
}
REQUIRED_ENDPOINTS = ("health", "tenant_activate", "tenant_deactivate", "tenant_status")
# What a manifest of version 1.0 can declare; the rest of one is not judged.
_VERSION_1_ENDPOINTS = frozenset({*DEFAULT_ENDPOINTS, "user_access"})
_MAX_FILE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest as it was found: ``content`` as plain data, None where it can not be read; ``faults`` in words."""

    source: str
    content: dict[str, Any] | None
    faults: tuple[str, ...] = ()
    is_given: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where the service is, without a slash at the end, and what it declares."""

    url: str
    document: Document | None = None
    version: str = "1.0"
    endpoints: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_ENDPOINTS))
    key_header: str = DEFAULT_KEY_HEADER
    header_aliases: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    has_config_schema: bool = False

    @property
    def is_version_2(self) -> bool:
        """Whether the manifest declares version 2.0; only then more than version 1 is judged."""
        return self.version == "2.0"

    def declares(self, endpoint: str) -> bool:
        """Return whether the manifest names ``endpoint``."""
        return endpoint in self.endpoints

    def has_capability(self, name: str) -> bool:
        """Return whether the manifest lists the capability ``name``."""
        return name in self.capabilities

    def names_tenant(self, endpoint: str) -> bool:
        """Return whether the address of ``endpoint`` carries the tenant; where it does not, the body must."""
        return "{tenant_id}" in self.endpoints[endpoint]

    def address(
        self, endpoint: str, tenant_id: str = "", *, user_id: str = "", operation_id: str = "", is_encoded: bool = False
    ) -> str:
        """Return the absolute address of ``endpoint``. Ids are percent-encoded, unless they are already."""
        path = self.endpoints[endpoint]
        for name, value in (("tenant_id", tenant_id), ("user_id", user_id), ("operation_id", operation_id)):
            path = path.replace(f"{{{name}}}", value if is_encoded else _segment(value))
        return self.absolute(path)

    def is_activation(self, method: str, url: str) -> bool:
        """Return whether a call is an activation, of whatever tenant."""
        begin, _, end = self.absolute(self.endpoints["tenant_activate"]).partition("{tenant_id}")
        return method == "POST" and url.startswith(begin) and url.endswith(end)

    def absolute(self, path: str) -> str:
        """Return the absolute address of a path of the service; an address stays what it is."""
        return f"{self.url}{path}" if path.startswith("/") else path


def read_document(source: str, raw: bytes, *, is_given: bool = False) -> Document:
    """Return the manifest in ``raw``, YAML or JSON, with every fault that it has. Needs the extra ``manifest``."""
    from mt_paas.standard_api.manifest import check as check_manifest
    from mt_paas.standard_api.manifest.reader import read
    from mt_paas.standard_api.manifest.tree import plain

    faults = tuple(fault.describe(source) for fault in check_manifest(raw, source).faults)
    root, _ = read(raw)
    return Document(source, None if root is None else plain(root), faults, is_given)


def read_file(path: str) -> Document:
    """Return the manifest in a file. Raises ``ConfigurationError`` for one that can not be read."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"the manifest {path} can not be read: {error.strerror}") from None
    return read_document(path, raw, is_given=True)


def target_of(url: str, document: Document | None) -> Target:
    """Return the target at ``url`` that declares what ``document`` says.

    Raises ``ConfigurationError`` for an address that is none, and ``ManifestError``'s sentences for a manifest that was
    given and lacks what no test can do without. One that the service itself serves is then judged, and not used.
    """
    url = _checked(url)
    if document is None:
        return Target(url)
    content = document.content or {}
    trouble = _unusable(content)
    if trouble and document.is_given:
        said = "\n".join(f"  {fault}" for fault in document.faults) or f"  {trouble}"
        raise ConfigurationError(f"the manifest {document.source} can not be used: {trouble}\n{said}")
    if trouble:
        return Target(url, document)
    version = "2.0" if str(content.get("version")) in {"2.0", "2"} else "1.0"
    auth = content.get("auth")
    auth = auth if isinstance(auth, dict) else {}
    header = auth.get("header")
    plans = _features(content)
    return Target(
        url,
        document,
        version,
        _endpoints(content["endpoints"], version, trusts_addresses=document.is_given),
        header if isinstance(header, str) and header.strip() else DEFAULT_KEY_HEADER,
        _texts(auth.get("header_aliases")),
        tuple(plans),
        plans,
        frozenset(_texts(content.get("capabilities"))) if version == "2.0" else frozenset(),
        isinstance(content.get("config_schema"), dict),
    )


def _segment(value: str) -> str:
    """Return an id as one segment of an address: also one of dots, which would mean another address (RFC 3986)."""
    return value.replace(".", "%2E") if value in {".", ".."} else quote(value, safe="")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigurationError(f"{url!r} is no address of a service; give one such as http://127.0.0.1:8000")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError("the address of the service has a query, a fragment or a user; give it without")
    return url.rstrip("/")


def _unusable(content: dict[str, Any]) -> str:
    endpoints = content.get("endpoints")
    if not isinstance(endpoints, dict):
        return "it names no endpoints"
    missing = [key for key in REQUIRED_ENDPOINTS if not _is_template(endpoints.get(key))]
    return f"endpoints.{missing[0]} is missing, or is no path" if missing else ""


def _is_template(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("/", "http://", "https://"))


def _endpoints(named: dict[str, Any], version: str, *, trusts_addresses: bool) -> dict[str, str]:
    """Return the templates that the version knows as paths below the target.

    An absolute one below ``base_url`` becomes a path too. Another one stays, and only if a person gave the manifest:
    the key is sent there.
    """
    base = str(named.get("base_url", "")).rstrip("/")
    endpoints = {}
    for key, template in named.items():
        if key == "base_url" or not _is_template(template) or (version == "1.0" and key not in _VERSION_1_ENDPOINTS):
            continue
        path = template.removeprefix(base) if base and template.startswith(f"{base}/") else template
        if path.startswith("/") or trusts_addresses or key == "user_access":
            endpoints[key] = path
    return endpoints


def _features(content: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the features of each plan, in the manifest's order."""
    plans, features = content.get("plans"), content.get("features")
    listed = {str(name): _texts(each) for name, each in features.items()} if isinstance(features, dict) else {}
    if not isinstance(plans, dict):
        return listed
    own = {str(name): _texts(plan.get("features") if isinstance(plan, dict) else None) for name, plan in plans.items()}
    return {name: own.get(name) or listed.get(name, ()) for name in dict.fromkeys([*own, *listed])}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
