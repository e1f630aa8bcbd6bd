"""The door of the catalogue for its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog.errors import PlanNotOffered, ServiceNotFound, ServiceNotListed
from service_market.rooms.catalog.repository import Manifests
from service_market.rooms.catalog.service import ServiceAccess, find_service, key_context, stored
from service_market.rooms.catalog.types import ServiceState

__all__ = ["Offer", "ServiceAccess", "access_to_service", "offer"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a subscriber gets: a listed service on one of its plans, by the manifest of today."""

    service_id: str
    service_name: str
    manifest_version_id: UUID
    plan: str
    features: tuple[str, ...]
    isolation: str


async def offer(uow: UnitOfWork, service_id: str, plan: str) -> Offer:
    """Return what a subscription to ``plan`` gives.

    Raises ``ServiceNotFound``, ``ServiceNotListed`` and ``PlanNotOffered``.
    """
    service = await find_service(uow, service_id)
    if service.state not in {ServiceState.LISTED, ServiceState.VERIFYING} or service.current is None:
        because = f": {service.reason}" if service.reason else ""
        raise ServiceNotListed(f"The service {service_id} is {service.state}, not listed{because}.")
    manifest = stored(service.current.document)
    if manifest.plan_names and plan not in manifest.plan_names:
        raise PlanNotOffered(f"{service_id} has no plan {plan}; it has {', '.join(manifest.plan_names)}.")
    return Offer(
        service_id=service_id,
        service_name=service.name,
        manifest_version_id=service.current.id,
        plan=plan,
        features=manifest.features_of(plan),
        isolation=manifest.isolation.default,
    )


async def access_to_service(uow: UnitOfWork, service_id: str, manifest_version_id: UUID) -> ServiceAccess:
    """Return how to call the service by the manifest that a tenant was made with. Raises ``ServiceNotFound``."""
    service = await find_service(uow, service_id)
    version = await Manifests(uow).get(manifest_version_id)
    if version is None:
        raise ServiceNotFound
    return ServiceAccess(
        service_id=service_id,
        manifest=stored(version.document),
        api_key=uow.box.open(service.sealed_key, context=key_context(service_id)),
    )
