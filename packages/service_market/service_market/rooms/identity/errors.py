"""What can go wrong with organizations and tokens."""

from __future__ import annotations

from service_market.core.errors import Conflict, Invalid, NotFound

__all__ = ["InvalidToken", "OrganizationExists", "OrganizationNotFound", "TokenNotFound"]


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
