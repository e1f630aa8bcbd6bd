"""Use cases of identity: who calls, who exists, and the tokens they call with."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from service_market.core.principal import Principal
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.identity.errors import (
    InvalidToken,
    OrganizationExists,
    OrganizationNotFound,
    TokenExpired,
    TokenNotFound,
    TokenRevoked,
    TokenUnknown,
)
from service_market.rooms.identity.events import TokenCreated
from service_market.rooms.identity.models import ApiToken, Organization
from service_market.rooms.identity.repository import Organizations, Tokens
from service_market.rooms.identity.types import ROLES, OrganizationKind, Role

__all__ = [
    "authenticate",
    "bootstrap_operator",
    "create_organization",
    "create_token",
    "find_organization",
    "revoke_token",
]

TOKEN_PREFIX = "mtp_"  # noqa: S105 - the public prefix of every token, not a token
OPERATOR_SLUG = "operator"
_FITS = {
    Role.OPERATOR: OrganizationKind.OPERATOR,
    Role.SCHOOL_MANAGER: OrganizationKind.SCHOOL,
    Role.VENDOR_DEVELOPER: OrganizationKind.VENDOR,
}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def authenticate(kernel: Kernel, token: str) -> Principal:
    """Return who holds ``token``. Raises :class:`TokenUnknown`, :class:`TokenRevoked` and :class:`TokenExpired`.

    Tokens carry 256 random bits, so a plain SHA-256 is as good as a slow hash, and the look-up by digest leaks no
    timing of the token itself. Who is told that a token was revoked or has expired holds the whole of it.
    """
    if not token.startswith(TOKEN_PREFIX):
        raise TokenUnknown
    async with kernel.unit() as uow:
        tokens, now = Tokens(uow), uow.now()
        found = await tokens.by_digest(_digest(token))
        if found is None:
            raise TokenUnknown
        if found.revoked_at is not None:
            raise TokenRevoked
        if found.expires_at is not None and found.expires_at <= now:
            raise TokenExpired(f"The token expired on {found.expires_at:%Y-%m-%d}; ask for a new one.")
        await tokens.note_use(found, now)
        role = Role(found.role)
        return Principal(
            name=found.name,
            permissions=ROLES[role],
            token_id=found.id,
            organization_id=found.organization_id,
            service_id=found.service_id,
            unfenced=role is Role.OPERATOR,
        )


async def find_organization(uow: UnitOfWork, slug: str) -> Organization:
    """Return the organization of that slug. Raises :class:`OrganizationNotFound`."""
    found = await Organizations(uow).by_slug(slug)
    if found is None:
        raise OrganizationNotFound(f"There is no organization {slug}.")
    return found


async def create_organization(uow: UnitOfWork, *, slug: str, name: str, kind: OrganizationKind) -> Organization:
    """Create an organization. Raises :class:`OrganizationExists`."""
    created = await Organizations(uow).add(slug=slug, name=name, kind=kind, at=uow.now())
    if created is None:
        raise OrganizationExists(f"There is an organization {slug} already.")
    return created


async def create_token(
    uow: UnitOfWork,
    *,
    organization: Organization,
    name: str,
    role: Role,
    service_id: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create a token and return it with its secret, which is not kept.

    Raises :class:`InvalidToken`, and ``ServiceNotFound`` where its service is not in the catalogue.
    """
    if (role is Role.SERVICE) != (service_id is not None):
        raise InvalidToken("a token of the role service names its service_id, and no other role does")
    needed = _FITS.get(role)
    if needed is not None and organization.kind != needed:
        raise InvalidToken(f"a token of the role {role} belongs to an organization of kind {needed}")
    if expires_at is not None and expires_at <= uow.now():
        raise InvalidToken(f"a token that expired on {expires_at:%Y-%m-%d} is of no use; give a time to come")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        organization_id=organization.id,
        name=name,
        role=role,
        service_id=service_id,
        prefix=secret[:8],
        digest=_digest(secret),
        created_at=uow.now(),
        expires_at=expires_at,
    )
    Tokens(uow).add(token)
    await uow.session.flush()
    await uow.emit(TokenCreated(token.id, service_id))
    return token, secret


async def revoke_token(uow: UnitOfWork, token_id: UUID) -> ApiToken:
    """End a token at once. Revoking it again changes nothing. Raises :class:`TokenNotFound`."""
    token = await Tokens(uow).by_id(token_id)
    if token is None:
        raise TokenNotFound
    if token.revoked_at is None:
        token.revoked_at = uow.now()
    return token


async def bootstrap_operator(uow: UnitOfWork, *, name: str) -> str:
    """Make sure that the operator's organization exists, and return a new operator token for ``name``."""
    organizations = Organizations(uow)
    await organizations.add(slug=OPERATOR_SLUG, name="Operator", kind=OrganizationKind.OPERATOR, at=uow.now())
    operator = await find_organization(uow, OPERATOR_SLUG)
    _, secret = await create_token(uow, organization=operator, name=name, role=Role.OPERATOR)
    return secret
