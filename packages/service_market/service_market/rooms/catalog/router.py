"""HTTP of the catalogue."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service_market.core.deps import Uow
from service_market.core.envelope import Envelope, Page
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog import service
from service_market.rooms.catalog.errors import ManifestInvalid, ServiceNotFound, ServiceOfAnotherVendor
from service_market.rooms.catalog.models import Service
from service_market.rooms.catalog.repository import Services
from service_market.rooms.catalog.schemas import (
    ManifestOut,
    ManifestWarning,
    RegisteredOut,
    RegisterService,
    ServiceOut,
)
from service_market.rooms.catalog.types import ServiceState

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, prefix="/services", tags=["catalog"])
_WATCH: dict[int | str, dict[str, Any]] = {
    202: {
        "links": {
            "verification": {
                "operationId": "getService",
                "parameters": {"service_id": "$response.body#/data/service_id"},
                "description": "Poll until `state` is `listed` or `rejected`.",
            }
        }
    }
}


@router.post(
    "",
    operation_id="registerService",
    summary="Register a manifest",
    status_code=202,
    responses=_WATCH | answers(ManifestInvalid, ServiceOfAnotherVendor),
    dependencies=[require("services:write")],
)
async def register_service(new: RegisterService, uow: Uow, response: Response) -> Envelope[RegisteredOut]:
    """Accept a manifest and verify the service: every fault of the manifest at once, with its line and column.

    The service is asked for its health, and with the key for the status of a tenant that nobody has. The same manifest
    again changes nothing but the key; another one of a known service is a new version, which becomes current when it is
    verified.
    """
    made, warnings = await service.submit(
        uow, text=new.manifest, api_key=new.api_key.get_secret_value(), base_url=new.base_url
    )
    response.headers["Location"] = f"/api/v1/services/{made.service_id}"
    odd = [ManifestWarning.model_validate(warning) for warning in warnings]
    return Envelope(data=RegisteredOut(**_shown(uow, made).model_dump(), warnings=odd))


@router.get("", operation_id="listServices", summary="List services", dependencies=[require("services:read")])
async def list_services(
    uow: Uow,
    paging: Paging,
    state: Annotated[ServiceState | None, Query(description="Only services in this state.")] = None,
) -> Page[ServiceOut]:
    """List the catalogue, newest first."""
    return as_page(await Services(uow).page(paging, state=state), partial(_shown, uow))


@router.get(
    "/{service_id}",
    operation_id="getService",
    summary="Show a service",
    responses=answers(ServiceNotFound),
    dependencies=[require("services:read")],
)
async def get_service(service_id: str, uow: Uow) -> Envelope[ServiceOut]:
    """Show one service."""
    return Envelope(data=_shown(uow, await service.find_service(uow, service_id)))


@router.get(
    "/{service_id}/manifest",
    operation_id="getManifest",
    summary="Show a service's manifest",
    responses=answers(ServiceNotFound),
    dependencies=[require("services:read")],
)
async def get_manifest(service_id: str, uow: Uow) -> Envelope[ManifestOut]:
    """Show the current manifest, as it was submitted and as it was understood."""
    return Envelope(data=ManifestOut(**await service.shown_manifest(uow, service_id)))


@router.post(
    "/{service_id}/verify",
    operation_id="verifyService",
    summary="Verify a service again",
    status_code=202,
    responses=_WATCH | answers(ServiceNotFound, ServiceOfAnotherVendor),
    dependencies=[require("services:write")],
)
async def verify_service(service_id: str, uow: Uow) -> Envelope[ServiceOut]:
    """Ask the service again for its health, and whether it knows the key; list or reject it by the answers."""
    return Envelope(data=_shown(uow, await service.reverify(uow, service_id)))


def _shown(uow: UnitOfWork, row: Service) -> ServiceOut:
    manifest = service.manifest_in_view(row)
    return ServiceOut(
        service_id=row.service_id,
        name=row.name,
        state=ServiceState(row.state),
        reason=row.reason if service.is_own(uow, row) else None,
        description=manifest.service.description,
        vendor=manifest.service.vendor,
        version=manifest.service.version,
        plans=list(manifest.plan_names),
        features={plan: list(words) for plan, words in manifest.features.items()},
        base_url=str(manifest.endpoints.base_url),
        manifest_digest=manifest.digest,
        created_at=row.created_at,
        verified_at=row.verified_at,
    )
