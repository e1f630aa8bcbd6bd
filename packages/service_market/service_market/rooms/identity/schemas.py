"""What the API says and hears of organizations and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from mt_paas.standard_api import models as contract
from pydantic import AfterValidator, Field, StringConstraints

from service_market.core.envelope import Wire
from service_market.core.faults import SLUG, form
from service_market.rooms.identity.types import OrganizationKind, Role

__all__ = ["CallerOut", "NewOrganization", "NewToken", "OrganizationOut", "TokenCreated", "TokenOut"]

Slug = Annotated[
    str,
    form(r"^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", SLUG),
    Field(examples=["hallym_univ"], description="3 to 63 characters a-z, 0-9, _ and -."),
]
Name = Annotated[contract.Name, StringConstraints(strip_whitespace=True)]


def _within_years(value: datetime) -> datetime:
    if not 2000 <= value.year <= 9998:  # and not 9999: whoever shows it in another zone needs leeway
        raise ValueError("it is not within the years 2000 to 9998, in UTC")
    return value


ExpiresAt = Annotated[contract.UtcDatetime, AfterValidator(_within_years)]


class NewOrganization(Wire):
    """An organization to create."""

    slug: Slug
    name: Annotated[Name, Field(examples=["한림대학교"])]
    kind: OrganizationKind = OrganizationKind.SCHOOL


class OrganizationOut(Wire):
    """An organization."""

    id: UUID
    slug: str
    name: str
    kind: OrganizationKind
    created_at: datetime


class NewToken(Wire):
    """A token to create. A ``service`` token names its service; other roles act for their organization."""

    organization: Slug
    name: Annotated[Name, Field(examples=["keli_tutor in production"])]
    role: Role
    service_id: Annotated[str | None, Field(examples=["keli_tutor"])] = None
    expires_at: ExpiresAt | None = None


class TokenOut(Wire):
    """A token as it may be seen after its creation."""

    id: UUID
    name: str
    role: Role
    service_id: str | None
    prefix: Annotated[str, Field(examples=["mtp_3fKq"])]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenCreated(TokenOut):
    """A new token. ``token`` is shown this once."""

    token: str


class CallerOut(Wire):
    """Who the market takes the caller for."""

    name: str
    permissions: list[str]
    organization: str | None
    service_id: str | None
