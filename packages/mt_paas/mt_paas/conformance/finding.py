"""Finds the manifest that a service serves of itself, where nobody gave one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin, urlsplit

from mt_paas.conformance.expect import Answer, Violation
from mt_paas.conformance.service import Service, Unreachable
from mt_paas.conformance.target import Document, read_document
from mt_paas.standard_api.manifest import DEFAULT_KEY_HEADER

__all__ = ["fetched_document", "found_document"]

_MANIFEST = "/mt/manifest"
_CONFIGURATION = "/mt/.well-known/mt-configuration"


async def fetched_document(service: Service, url: str) -> Document:
    """Return the manifest at an address that a person gave. Raises ``Violation`` when it is not there."""
    answer = await service.send("GET", url, headers={})
    return read_document(url, answer.expect(200).body, is_given=True)


async def found_document(service: Service, url: str, key: str) -> Document | None:
    """Return the manifest that the service at ``url`` serves, or that its configuration holds or leads to.

    None when there is none. A leading address must be on the service's own host: the key is sent along. Raises
    ``Unreachable`` when there is no connection.
    """
    url = url.rstrip("/")
    answer = await _asked(service, f"{url}{_MANIFEST}", key)
    document = _read(f"{url}{_MANIFEST}", answer)
    if document is not None or answer is None:  # who was silent is not asked again: that takes the whole time-out
        return document
    answer = await _asked(service, f"{url}{_CONFIGURATION}", key)
    configuration = _members(answer)
    if isinstance(configuration.get("manifest"), dict):
        return _document(f"{url}{_CONFIGURATION}", configuration["manifest"])
    schemas = configuration.get("schemas")
    leads = [configuration.get("manifest_url"), schemas.get("manifest") if isinstance(schemas, dict) else None]
    for lead in leads:
        if isinstance(lead, str) and lead:
            there = f"{url}{lead}" if lead.startswith("/") and not lead.startswith("//") else urljoin(f"{url}/", lead)
            if _origin(there) == _origin(url):
                return _read(there, await _asked(service, there, key))
    return None


def _read(url: str, answer: Answer | None) -> Document | None:
    members = _members(answer)
    if "endpoints" in members:
        return _document(url, members)
    if answer is not None and answer.status == 200 and b"endpoints" in answer.body and not members:
        return read_document(url, answer.body)
    return None


async def _asked(service: Service, url: str, key: str) -> Answer | None:
    try:
        return await service.send("GET", url, headers={DEFAULT_KEY_HEADER: key})
    except Unreachable:
        raise
    except Violation:
        return None


def _members(answer: Answer | None) -> dict[str, Any]:
    if answer is None or answer.status != 200:
        return {}
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _document(source: str, content: dict[str, Any]) -> Document:
    """Return a manifest that came as JSON, which needs no reader of YAML."""
    from pydantic import ValidationError

    from mt_paas.standard_api.manifest import Manifest

    try:
        Manifest.model_validate(content)
    except ValidationError as error:
        faults = [
            f"{source}: {'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        return Document(source, content, tuple(faults))
    return Document(source, content)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
