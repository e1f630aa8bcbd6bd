"""Use cases of the catalogue: registering a manifest, verifying the service, looking at it."""

from __future__ import annotations

from typing import Any

from mt_paas.errors import ManifestError, ManifestFault, ServiceCallError
from mt_paas.standard_api.manifest import Manifest, check
from mt_paas.standard_api.models import HealthStatus
from pydantic import ValidationError

from service_market.core.errors import Forbidden
from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog import lifecycle
from service_market.rooms.catalog.errors import ManifestInvalid, ServiceNotFound, ServiceOfAnotherVendor
from service_market.rooms.catalog.events import ServiceListed, ServiceRejected
from service_market.rooms.catalog.models import Service
from service_market.rooms.catalog.ports import HealthProbe
from service_market.rooms.catalog.repository import Manifests, Services
from service_market.rooms.catalog.types import ServiceState

__all__ = [
    "VERIFY_JOB",
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
log = get_logger(__name__)


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
    if base_url is None:
        return manifest, report.warnings
    document = manifest.model_dump(mode="json")
    document["endpoints"]["base_url"] = base_url
    try:
        return stored(document), report.warnings
    except ValidationError as error:
        raise ManifestInvalid(f"base_url: {error.errors()[0]['msg']}") from None


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


async def verify(kernel: Kernel, probe: HealthProbe, service_id: str) -> None:
    """Ask the service for its health, and list or reject it. Runs twice without harm."""
    async with kernel.unit() as uow:
        service = await find_service(uow, service_id)
        if service.state != ServiceState.VERIFYING:
            return
        asked = service.proposed or service.current
        if asked is None:
            return
        manifest = stored(asked.document)
    reason = await _what_is_wrong(probe, manifest)
    async with kernel.unit() as uow:
        service = await _locked(uow, service_id)
        if service.state != ServiceState.VERIFYING or (service.proposed_id or service.current_id) != asked.id:
            return  # another version was submitted meanwhile, and has a job of its own
        service.verified_at, service.reason = uow.now(), reason
        if reason is None:
            service.state = ServiceState.LISTED
            service.current_id, service.proposed_id = asked.id, None
            service.sealed_key = service.proposed_sealed_key or service.sealed_key
            service.name = manifest.service.name
            await uow.emit(ServiceListed(service_id))
        elif service.current_id is not None:  # what was accepted before stays on sale
            what = "the new version was not accepted" if service.proposed_id else "it did not pass when verified again"
            service.state, service.proposed_id = ServiceState.LISTED, None
            service.reason = f"{what}: {reason}"
        else:
            service.state = ServiceState.REJECTED
            await uow.emit(ServiceRejected(service_id, reason))
        service.proposed_sealed_key = None
    log.info("service verified", service_id=service_id, state=service.state, reason=reason)


async def _what_is_wrong(probe: HealthProbe, manifest: Manifest) -> str | None:
    try:
        health = await probe.probe(manifest)
    except ServiceCallError as error:
        return error.message
    if health.status is HealthStatus.UNHEALTHY:
        return f"{manifest.url('health')} answered that the service is unhealthy"
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
