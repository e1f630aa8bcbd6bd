"""How the service presents itself to the simulated market: its manifest, with every fault, and what it offers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from mt_paas.conformance.expect import Violation
from mt_paas.conformance.finding import fetched_document, found_document
from mt_paas.conformance.service import Service, Unreachable
from mt_paas.conformance.target import DEFAULT_ENDPOINTS, Document, read_file, target_of
from mt_paas.standard_api.manifest import DEFAULT_KEY_HEADER, Manifest

__all__ = ["Registration", "key_refusal", "register"]

_KEY_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Registration:
    """A service at ``target``. ``manifest`` is there unless it has ``faults``, or nothing answers (``trouble``)."""

    target: str
    source: str
    manifest: Manifest | None
    faults: tuple[str, ...] = ()
    trouble: str = ""
    is_default: bool = False

    @property
    def key_header(self) -> str:
        """The header that carries the market's key."""
        return self.manifest.auth.header if self.manifest else DEFAULT_KEY_HEADER

    def declares(self, endpoint: str | None) -> bool:
        """Return whether the service offers an endpoint; None is what every service offers."""
        return self.manifest is not None and (endpoint is None or self.manifest.declares(endpoint))

    def as_dict(self) -> dict[str, Any]:
        """Return what the page shows of the service."""
        return {
            "target": self.target,
            "source": self.source,
            "faults": list(self.faults),
            "trouble": self.trouble,
            "is_default": self.is_default,
            "plans": [] if self.manifest is None else list(self.manifest.plan_names),
            "manifest": None if self.manifest is None else self.manifest.model_dump(mode="json", exclude_none=True),
            "extensions": [] if self.manifest is None else list(self.manifest.extensions),
        }


async def register(target: str, key: str, *, manifest: str | None = None) -> Registration:
    """Find the service's manifest, check it, and return what came of it.

    ``manifest`` is a file or an address; without it the service is asked. A service that serves none is taken by the
    paths and the header of version 1. Raises ``ConfigurationError`` for a target that is no address and for a file that
    can not be read.
    """
    target = target_of(target, None).url
    async with Service() as service:
        try:
            document = await _document(service, target, key, manifest)
            if document is None:
                await service.send("GET", target + DEFAULT_ENDPOINTS["health"], headers={})
        except Unreachable as silence:
            how = silence.exchange.trouble if silence.exchange else str(silence)
            return Registration(target, manifest or target, None, trouble=f"nothing answers at {target} ({how})")
        except Violation as error:
            return Registration(target, manifest or target, None, trouble=str(error))
    if document is None:
        return Registration(target, "the paths of version 1", _default(target), is_default=True)
    if document.faults or document.content is None:
        many = len(document.faults)
        trouble = f"the manifest {document.source} has {many} fault{'' if many == 1 else 's'}"
        return Registration(target, document.source, None, document.faults, trouble)
    return Registration(target, document.source, _at(target, Manifest.model_validate(document.content)))


async def key_refusal(found: Registration, key: str) -> str | None:
    """Ask for a tenant that is not there, and return a sentence of what is wrong if the service refuses the key.

    What else may be wrong with the answer is told of the calls to come.
    """
    if found.manifest is None:
        return None
    address = found.manifest.url("tenant_status", f"mtpaas-simulate-{secrets.token_hex(6)}")
    async with Service() as service:
        try:
            answer = await service.send("GET", address, headers={found.key_header: key})
        except Violation:
            return None
    if answer.status not in _KEY_REFUSED:
        return None
    word = f" {answer.error_word}" if answer.error_word else ""
    return (
        f"the service refuses this key: it answered {answer.status}{word} to the key in the header {found.key_header}."
        " Is it one of the market's keys in the settings of the service?"
    )


async def _document(service: Service, target: str, key: str, manifest: str | None) -> Document | None:
    if manifest is None:
        return await found_document(service, target, key)
    if manifest.startswith(("http://", "https://")):
        return await fetched_document(service, manifest)
    return read_file(manifest)


def _at(target: str, manifest: Manifest) -> Manifest:
    """Return the manifest of the service where it runs now, which is often elsewhere than it says."""
    return manifest.model_copy(update={"endpoints": manifest.endpoints.model_copy(update={"base_url": target})})


def _default(target: str) -> Manifest:
    return Manifest.model_validate(
        {
            "version": "1.0",
            "service": {
                "id": "unknown_service",
                "name": "A service without a manifest",
                "description": "Called by the paths of version 1.",
                "version": "0",
                "vendor": "unknown",
            },
            "endpoints": {"base_url": target, **DEFAULT_ENDPOINTS},
            "auth": {"type": "api_key", "header": DEFAULT_KEY_HEADER},
            "isolation": {"supported": ["SHARED_TABLES"], "default": "SHARED_TABLES"},
        }
    )
