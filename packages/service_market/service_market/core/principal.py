"""Who is asking, and what they may do.

The authentication middleware puts a :class:`Principal` on the request; a route says what it needs with
``dependencies=[require("tenants:read")]``. A route that says nothing is refused by the test that walks all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Depends, Request

from service_market.core.errors import Forbidden, Unauthenticated

__all__ = ["SYSTEM", "Principal", "permissions_of", "require"]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, or the market itself.

    ``organization_id`` is the fence of a school or a vendor, ``service_id`` that of a service's own token; an
    operator has neither fence.
    """

    name: str
    permissions: frozenset[str]
    token_id: UUID | None = None
    organization_id: UUID | None = None
    service_id: str | None = None
    unfenced: bool = False

    def may(self, permission: str) -> bool:
        """Tell whether the caller has ``permission``."""
        return permission in self.permissions

    @property
    def organization_fence(self) -> UUID | None:
        """The only organization whose rows the caller may see, or None for all."""
        return None if self.unfenced or self.service_id else self.organization_id

    @property
    def service_fence(self) -> str | None:
        """The only service whose rows the caller may see, or None for all."""
        return None if self.unfenced else self.service_id


#: The market at its own work: expiry, reconciliation.
SYSTEM = Principal(name="system", permissions=frozenset(), unfenced=True)


def require(permission: str | None) -> Any:
    """Return the dependency that admits callers with ``permission``; with None, every caller that has a valid token.

    Raises :class:`Unauthenticated` and :class:`Forbidden` into the request.
    """

    async def check(request: Request) -> None:
        principal: Principal | None = getattr(request.state, "principal", None)
        if principal is None:
            raise getattr(request.state, "refusal", Unauthenticated)
        if permission is not None and not principal.may(permission):
            raise Forbidden(f"This needs the permission {permission}, which this token does not have.")

    check.permission = permission  # type: ignore[attr-defined]  # read back by permissions_of
    return Depends(check)


def permissions_of(calls: Iterable[Callable[..., Any] | None]) -> list[str | None]:
    """Return what the dependencies made by :func:`require` among ``calls`` ask for; empty where there is none."""
    return [getattr(call, "permission") for call in calls if hasattr(call, "permission")]  # noqa: B009 - set by require
