"""HTTP of identity: organizations, tokens, and who the caller is."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from service_market.core.deps import Uow, unless
from service_market.core.envelope import Envelope, Page
from service_market.core.idempotency import MarketRoute
from service_market.core.paging import Paging, as_page
from service_market.core.principal import require
from service_market.core.problems import answers
from service_market.rooms.identity import service
from service_market.rooms.identity.errors import InvalidToken, OrganizationExists, OrganizationNotFound, TokenNotFound
from service_market.rooms.identity.repository import Organizations, Tokens
from service_market.rooms.identity.schemas import (
    CallerOut,
    NewOrganization,
    NewToken,
    OrganizationOut,
    TokenCreated,
    TokenOut,
)

__all__ = ["router"]

router = APIRouter(route_class=MarketRoute, tags=["identity"])
TokenId = Annotated[UUID, unless(TokenNotFound)]


@router.get("/me", operation_id="getCaller", summary="Who the market takes you for", dependencies=[require(None)])
async def me(uow: Uow) -> Envelope[CallerOut]:
    """Say who the token belongs to, and what it may do."""
    caller = uow.principal
    organization = await Organizations(uow).by_id(caller.organization_id) if caller.organization_id else None
    return Envelope(
        data=CallerOut(
            name=caller.name,
            permissions=sorted(caller.permissions),
            organization=organization.slug if organization else None,
            service_id=caller.service_id,
        )
    )


@router.post(
    "/organizations",
    operation_id="createOrganization",
    summary="Create an organization",
    status_code=201,
    responses=answers(OrganizationExists),
    dependencies=[require("organizations:write")],
)
async def create_organization(new: NewOrganization, uow: Uow) -> Envelope[OrganizationOut]:
    """Create a school or a vendor."""
    made = await service.create_organization(uow, slug=new.slug, name=new.name, kind=new.kind)
    return Envelope(data=OrganizationOut.model_validate(made))


@router.get(
    "/organizations",
    operation_id="listOrganizations",
    summary="List organizations",
    dependencies=[require("organizations:read")],
)
async def list_organizations(uow: Uow, paging: Paging) -> Page[OrganizationOut]:
    """List organizations, newest first."""
    return as_page(await Organizations(uow).page(paging), OrganizationOut.model_validate)


@router.get(
    "/organizations/{slug}",
    operation_id="getOrganization",
    summary="Show an organization",
    responses=answers(OrganizationNotFound),
    dependencies=[require("organizations:read")],
)
async def get_organization(slug: str, uow: Uow) -> Envelope[OrganizationOut]:
    """Show one organization."""
    return Envelope(data=OrganizationOut.model_validate(await service.find_organization(uow, slug)))


@router.post(
    "/tokens",
    operation_id="createToken",
    summary="Create an API token",
    status_code=201,
    responses=answers(OrganizationNotFound, InvalidToken),
    dependencies=[require("tokens:write")],
)
async def create_token(new: NewToken, uow: Uow, response: Response) -> Envelope[TokenCreated]:
    """Create a token. This answer is the only place where it is ever shown.

    A token of the role `service` is for a service of the catalogue: 404 `service_not_found` otherwise.
    """
    response.headers["Cache-Control"] = "no-store"
    organization = await service.find_organization(uow, new.organization)
    token, secret = await service.create_token(
        uow,
        organization=organization,
        name=new.name,
        role=new.role,
        service_id=new.service_id,
        expires_at=new.expires_at,
    )
    shown = TokenOut.model_validate(token).model_dump()
    return Envelope(data=TokenCreated(**shown, token=secret))


@router.get("/tokens", operation_id="listTokens", summary="List API tokens", dependencies=[require("tokens:read")])
async def list_tokens(uow: Uow, paging: Paging) -> Page[TokenOut]:
    """List tokens, newest first, without their secrets."""
    return as_page(await Tokens(uow).page(paging), TokenOut.model_validate)


@router.delete(
    "/tokens/{token_id}",
    operation_id="revokeToken",
    summary="Revoke an API token",
    responses=answers(TokenNotFound),
    dependencies=[require("tokens:write")],
)
async def revoke_token(token_id: TokenId, uow: Uow) -> Envelope[TokenOut]:
    """End a token at once."""
    return Envelope(data=TokenOut.model_validate(await service.revoke_token(uow, token_id)))
