"""HTTP of subscriptions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from service_market.core.deps import Uow, unless
from service_market.core.envelope import Envelope, Meta, Page, operation_link
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.rooms.catalog.errors import PlanNotOffered, ServiceNotFound, ServiceNotListed
from service_market.rooms.identity.errors import OrganizationNotFound
from service_market.rooms.subscriptions import service
from service_market.rooms.subscriptions.errors import AlreadySubscribed, SubscriptionNotFound, TermTooLong
from service_market.rooms.subscriptions.repository import Subscriptions
from service_market.rooms.subscriptions.schemas import RenewSubscription, Subscribe, SubscriptionOut, SweepOut
from service_market.rooms.subscriptions.types import SubscriptionState
from service_market.rooms.tenants.errors import TenantIdTaken

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, prefix="/subscriptions", tags=["subscriptions"])
SubscriptionId = Annotated[UUID, unless(SubscriptionNotFound)]
_OPERATION: dict[int | str, dict[str, Any]] = {
    202: {
        "links": {
            "operation": {
                "operationId": "getOperation",
                "parameters": {"operation_id": "$response.body#/meta/operation/id"},
                "description": "Poll until `state` is `succeeded` or `failed`.",
            },
            "tenant": {"operationId": "getTenant", "parameters": {"tenant_id": "$response.body#/data/tenant_id"}},
        }
    }
}


@router.post(
    "",
    operation_id="subscribe",
    summary="Subscribe an organization to a service",
    status_code=202,
    responses=_OPERATION
    | answers(
        OrganizationNotFound, ServiceNotFound, ServiceNotListed, PlanNotOffered, AlreadySubscribed, TenantIdTaken
    ),
    dependencies=[require("subscriptions:write")],
)
async def subscribe(new: Subscribe, uow: Uow, response: Response) -> Envelope[SubscriptionOut]:
    """Make a subscription and its tenant, and start the tenant's activation: poll `meta.operation`."""
    made, operation_id = await service.subscribe(
        uow,
        organization=new.organization,
        service_id=new.service_id,
        plan=new.plan,
        term_months=new.term_months,
        tenant_id=new.tenant_id,
        tenant_name=new.tenant_name,
        admin=new.admin,
        config=new.config.model_dump(exclude_none=True),
    )
    response.headers["Location"] = f"/api/v1/operations/{operation_id}"
    return Envelope(data=SubscriptionOut.model_validate(made), meta=Meta(operation=operation_link(operation_id)))


@router.get(
    "", operation_id="listSubscriptions", summary="List subscriptions", dependencies=[require("subscriptions:read")]
)
async def list_subscriptions(
    uow: Uow,
    paging: Paging,
    state: Annotated[SubscriptionState | None, Query(description="Only subscriptions in this state.")] = None,
    service_id: Annotated[str | None, Query(description="Only subscriptions to this service.")] = None,
) -> Page[SubscriptionOut]:
    """List subscriptions that the caller may see, newest first."""
    part = await Subscriptions(uow).page(paging, state=state, service_id=service_id)
    return as_page(part, SubscriptionOut.model_validate)


@router.get(
    "/{subscription_id}",
    operation_id="getSubscription",
    summary="Show a subscription",
    responses=answers(SubscriptionNotFound),
    dependencies=[require("subscriptions:read")],
)
async def get_subscription(subscription_id: SubscriptionId, uow: Uow) -> Envelope[SubscriptionOut]:
    """Show one subscription."""
    return Envelope(data=SubscriptionOut.model_validate(await service.find(uow, subscription_id)))


@router.post(
    "/{subscription_id}/renew",
    operation_id="renewSubscription",
    summary="Renew a subscription",
    responses=answers(SubscriptionNotFound, AlreadySubscribed, TermTooLong),
    dependencies=[require("subscriptions:write")],
)
async def renew_subscription(
    subscription_id: SubscriptionId, renewal: RenewSubscription, uow: Uow
) -> Envelope[SubscriptionOut]:
    """Give it a new term. If it had expired, its tenant is brought back with its data: poll `meta.operation`."""
    found, operation_id = await service.renew(uow, subscription_id, renewal.term_months)
    meta = Meta(operation=operation_link(operation_id)) if operation_id else Meta()
    return Envelope(data=SubscriptionOut.model_validate(found), meta=meta)


@router.post(
    "/{subscription_id}/cancel",
    operation_id="cancelSubscription",
    summary="Cancel a subscription",
    status_code=202,
    responses=_OPERATION | answers(SubscriptionNotFound),
    dependencies=[require("subscriptions:write")],
)
async def cancel_subscription(subscription_id: SubscriptionId, uow: Uow) -> Envelope[SubscriptionOut]:
    """End it now and deactivate its tenant; the data are kept until the reactivation deadline.

    Until then it can be renewed. Its organization may also subscribe anew, by a tenant of another id.
    """
    ended, operation_id = await service.cancel(uow, subscription_id)
    return Envelope(data=SubscriptionOut.model_validate(ended), meta=Meta(operation=operation_link(operation_id)))


@router.post(
    "/sweep",
    operation_id="sweepSubscriptions",
    summary="Run the expiry sweep now",
    dependencies=[require("subscriptions:sweep")],
)
async def sweep(request: Request) -> Envelope[SweepOut]:
    """Do now what the worker does every minute: expire what is over. Running it twice does each thing once."""
    return Envelope(data=SweepOut(expired=await service.expire_due(request.app.state.kernel)))
