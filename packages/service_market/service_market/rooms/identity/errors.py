"""What can go wrong with organizations and tokens."""

from __future__ import annotations

from service_market.core.errors import Conflict, Invalid, NotFound, Unauthenticated

__all__ = [
    "InvalidToken",
    "OrganizationExists",
    "OrganizationNotFound",
    "TokenExpired",
    "TokenNotFound",
    "TokenRevoked",
    "TokenUnknown",
]


class TokenUnknown(Unauthenticated):
    """This market does not know the token: it is incomplete, or of another market."""

    code = "token_unknown"


class TokenExpired(Unauthenticated):
    """The token has expired; ask for a new one."""

    code = "token_expired"


class TokenRevoked(Unauthenticated):
    """The token was revoked; ask for a new one."""

    code = "token_revoked"


class OrganizationNotFound(NotFound):
    """There is no such organization."""

    code = "organization_not_found"


class OrganizationExists(Conflict):
    """There is an organization with this slug already."""

    code = "organization_exists"


class TokenNotFound(NotFound):
    """There is no such token."""

    code = "token_not_found"


class InvalidToken(Invalid):
    """A token of this role needs something that was not given, or was given something that it does not take."""

    code = "invalid_token"
