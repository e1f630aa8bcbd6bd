"""Use cases of the catalogue: registering a manifest, verifying the service, looking at it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mt_paas.errors import ManifestError, ManifestFault, ServiceAnswerInvalid, ServiceCallError, ServiceRefused
from mt_paas.standard_api.manifest import AuthType, IsolationLevel, Manifest, check
from mt_paas.standard_api.manifest.reader import read
from mt_paas.standard_api.manifest.tree import Mapping, Node
from mt_paas.standard_api.models import HealthStatus
from pydantic import ValidationError

from service_market.core.crypto import SealBroken
from service_market.core.errors import Forbidden
from service_market.core.faults import sentence
from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog import lifecycle
from service_market.rooms.catalog.errors import ManifestInvalid, ServiceNotFound, ServiceOfAnotherVendor
from service_market.rooms.catalog.events import ServiceListed, ServiceRejected
from service_market.rooms.catalog.models import Service
from service_market.rooms.catalog.ports import ServiceProbe
from service_market.rooms.catalog.repository import Manifests, Services
from service_market.rooms.catalog.types import ServiceState

__all__ = [
    "VERIFY_JOB",
    "ServiceAccess",
    "find_service",
    "is_own",
    "key_context",
    "manifest_in_view",
    "reverify",
    "stored",
    "submit",
    "verify",
]

VERIFY_JOB = "catalog.verify"
_KEY_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """All that is needed to call a service. ``api_key`` never leaves the process."""

    service_id: str
    manifest: Manifest
    api_key: str

    def __repr__(self) -> str:
        return f"ServiceAccess(service_id={self.service_id!r})"


def key_context(service_id: str) -> str:
    """Return what a sealed service key is bound to."""
    return f"service:{service_id}:key"


def parse(text: str, base_url: str | None) -> tuple[Manifest, tuple[ManifestFault, ...]]:
    """Return the manifest, at ``base_url`` if one is given, and what is odd about it without being wrong.

    Raises :class:`ManifestInvalid` with every fault.
    """
    report = check(text)
    try:
        manifest = report.required()
    except ManifestError as error:
        faults = [fault.as_dict() for fault in error.faults]
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        raise ManifestInvalid(f"The manifest has {count}: {error}", details=faults) from None
    warnings = (*report.warnings, *(_not_driven(text, manifest)))
    if base_url is None:
        return manifest, warnings
    document = manifest.model_dump(mode="json")
    document["endpoints"]["base_url"] = base_url
    try:
        return stored(document), warnings
    except ValidationError as error:
        raise ManifestInvalid(f"base_url: {sentence(error.errors()[0])}") from None


def _not_driven(text: str, manifest: Manifest) -> Iterator[ManifestFault]:
    """Yield what the contract knows and this market does not do (yet), at the place where the manifest says it."""
    auth, isolation = manifest.auth, manifest.isolation.default
    if auth.type is not AuthType.API_KEY:
        said = f"this market does not speak {auth.type}; it sends the key that it is given, in the header {auth.header}"
        yield _warning(text, ("auth", "type"), said)
    if isolation is IsolationLevel.DOCKER_PER_TENANT:
        said = f"this market starts no containers; {isolation} is for the service to do when a tenant is activated"
        yield _warning(text, ("isolation", "default"), said)


def _warning(text: str, path: tuple[str, ...], message: str) -> ManifestFault:
    node: Node | None = read(text)[0]
    for part in path:
        node = node.items[part] if isinstance(node, Mapping) else None
    line, column = node.place if node else (1, 1)
    return ManifestFault(".".join(path), line, column, message)


def stored(document: dict[str, Any]) -> Manifest:
    """Return the manifest of a document that was accepted before."""
    return Manifest.model_validate(document)


async def submit(
    uow: UnitOfWork, *, text: str, api_key: str, base_url: str | None
) -> tuple[Service, tuple[ManifestFault, ...]]:
    """Register a manifest, or a new version of one, and start its verification; return the warnings beside it.

    The service is called only after this is committed, by a job. Until a new version is verified, the one before stays
    current. Raises :class:`ManifestInvalid` and :class:`ServiceOfAnotherVendor`.
    """
    manifest, warnings = parse(text, base_url)
    service_id, now = manifest.service.id, uow.now()
    services = Services(uow)
    sealed = uow.box.seal(api_key, context=key_context(service_id))
    vendor = uow.principal.organization_fence
    await services.add_if_new(
        service_id=service_id,
        name=manifest.service.name,
        vendor=vendor,
        state=ServiceState.DRAFT,
        sealed_key=sealed,
        at=now,
    )
    service = await _own(uow, service_id)
    version = await Manifests(uow).put(
        service, digest=manifest.digest, source=text, document=manifest.model_dump(mode="json"), at=now
    )
    service.proposed_sealed_key = sealed
    service.proposed_id = version.id
    await _start_verification(uow, service)
    return await _locked(uow, service_id), warnings


async def reverify(uow: UnitOfWork, service_id: str) -> Service:
    """Verify the service again. Raises :class:`ServiceNotFound` and :class:`ServiceOfAnotherVendor`."""
    service = await _own(uow, service_id)
    if service.state == ServiceState.SUSPENDED and not uow.principal.unfenced:
        raise Forbidden(f"{service_id} is suspended; only the operator can lift that.")
    await _start_verification(uow, service)
    return service


async def _start_verification(uow: UnitOfWork, service: Service) -> None:
    if service.state != ServiceState.VERIFYING:
        lifecycle.check(service.service_id, ServiceState(service.state), ServiceState.VERIFYING)
        service.state, service.reason = ServiceState.VERIFYING, None
    await uow.session.flush()
    await uow.defer(
        VERIFY_JOB,
        lock=f"service:{service.service_id}",
        queueing_lock=f"verify:{service.service_id}",
        service_id=service.service_id,
    )


async def verify(kernel: Kernel, probe: ServiceProbe, service_id: str) -> None:
    """Ask the service for its health, and whether it knows the key; list or reject it. Runs twice without harm."""
    async with kernel.unit() as uow:
        service = await find_service(uow, service_id)
        if service.state != ServiceState.VERIFYING:
            return
        asked = service.proposed or service.current
        if asked is None:
            return
        manifest, sealed = stored(asked.document), service.proposed_sealed_key or service.sealed_key
        key = _opened(uow, service_id, sealed)
    if isinstance(key, SealBroken):
        reason: str | None = f"its key can not be read: {key}"
    else:
        reason = await _what_is_wrong(probe, ServiceAccess(service_id, manifest, key))
    async with kernel.unit() as uow:
        service = await _locked(uow, service_id)
        newest = service.proposed_id or service.current_id, service.proposed_sealed_key or service.sealed_key
        if service.state != ServiceState.VERIFYING or newest != (asked.id, sealed):
            return  # another version or key was submitted meanwhile, and has a job of its own
        service.verified_at, service.reason = uow.now(), reason
        if reason is None:
            service.state = ServiceState.LISTED
            service.current_id, service.proposed_id = asked.id, None
            service.sealed_key = service.proposed_sealed_key or service.sealed_key
            service.name = manifest.service.name
            await uow.emit(ServiceListed(service_id))
        elif service.current_id is not None:  # what was accepted before stays on sale
            service.reason = f"{_not_accepted(service)}: {reason}"
            service.state, service.proposed_id = ServiceState.LISTED, None
        else:
            service.state = ServiceState.REJECTED
            await uow.emit(ServiceRejected(service_id, reason))
        service.proposed_sealed_key = None
    log.info("service verified", service_id=service_id, state=service.state, reason=reason)


def _opened(uow: UnitOfWork, service_id: str, sealed: bytes) -> str | SealBroken:
    try:
        return uow.box.open(sealed, context=key_context(service_id))
    except SealBroken as broken:
        return broken


def _not_accepted(service: Service) -> str:
    if service.proposed_id is None:
        return "it did not pass when verified again"
    return f"the new {'key' if service.proposed_id == service.current_id else 'version'} was not accepted"


async def _what_is_wrong(probe: ServiceProbe, access: ServiceAccess) -> str | None:
    try:
        health = await probe.probe(access.manifest)
    except ServiceCallError as error:
        return error.message
    if health.status is HealthStatus.UNHEALTHY:
        return f"{access.manifest.url('health')} answered that the service is unhealthy"
    return await _what_is_wrong_with_the_key(probe, access)


async def _what_is_wrong_with_the_key(probe: ServiceProbe, access: ServiceAccess) -> str | None:
    """Use the key for a call that changes nothing: the status of a tenant that nobody has.

    Whatever the service answers to the question, it has read the key before, unless it refuses it or breaks.
    """
    try:
        await probe.status(access, f"key-check-{secrets.token_hex(8)}")
    except ServiceRefused as refused:
        if refused.status in _KEY_REFUSED:
            return f"the service refused the key; register it again with the right one: {refused.message}"
    except ServiceAnswerInvalid as odd:
        if odd.status is None or odd.status >= HTTPStatus.MULTIPLE_CHOICES:  # a redirect, to a page for people
            return f"the key could not be tried: {odd.message}"
    except ServiceCallError as error:
        return f"the key could not be tried: {error.message}"
    return None


async def find_service(uow: UnitOfWork, service_id: str) -> Service:
    """Return the service of that id. Raises :class:`ServiceNotFound`."""
    found = await Services(uow).get(service_id)
    if found is None:
        raise ServiceNotFound(f"There is no service {service_id} in the catalogue.")
    return found


async def _own(uow: UnitOfWork, service_id: str) -> Service:
    """Return the locked service if it is the caller's to change."""
    service = await _locked(uow, service_id)
    vendor = uow.principal.organization_fence
    if vendor is not None and service.vendor_organization_id != vendor:
        raise ServiceOfAnotherVendor
    return service


async def _locked(uow: UnitOfWork, service_id: str) -> Service:
    found = await Services(uow).get(service_id, lock=True)
    if found is None:
        raise ServiceNotFound(f"There is no service {service_id} in the catalogue.")
    return found


def manifest_in_view(service: Service) -> Manifest:
    """Return the manifest that people see of a service: the current one, or else the one that is being verified."""
    version = service.current or service.proposed
    if version is None:
        raise ServiceNotFound
    return stored(version.document)


def is_own(uow: UnitOfWork, service: Service) -> bool:
    """Tell whether the caller is the service's vendor, or the operator."""
    principal = uow.principal
    return principal.unfenced or service.vendor_organization_id == principal.organization_id


async def shown_manifest(uow: UnitOfWork, service_id: str) -> dict[str, Any]:
    """Return the manifest in view, with its source for those whose service it is. Raises :class:`ServiceNotFound`."""
    service = await find_service(uow, service_id)
    seen = service.current or service.proposed
    own = is_own(uow, service)
    version = await Manifests(uow).get(seen.id, with_source=own) if seen else None
    if version is None:
        raise ServiceNotFound
    return {
        "digest": version.digest,
        "source": version.source if own else None,
        "document": version.document,
        "created_at": version.created_at,
    }
