"""Who sends a request: the holder of an access key, of a token, or a user who logged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mt_paas.errors import ScopeMissing

__all__ = ["Principal", "PrincipalKind"]


class PrincipalKind(StrEnum):
    """By what somebody was recognised."""

    ACCESS_KEY = "access_key"
    TOKEN = "token"  # noqa: S105 - a kind of principal, and no secret
    SESSION = "session"


@dataclass(slots=True)
class Principal:
    """Somebody who was recognised, and what for. One is made for each request: freezing it would take most of the time.

    ``tenant_id`` is null for a token that names no tenant. ``subject`` is the number of an access key, the ``sub`` of a
    token, or the id of a user. ``scopes`` is null for one who may do all that the tenant may. ``claims`` are a token's.
    """

    kind: PrincipalKind
    subject: str
    tenant_id: str | None
    scopes: frozenset[str] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    user: Any = field(default=None, repr=False)

    def copy(self) -> Principal:
        """Return another one of the same; ``dataclasses.replace`` takes five times as long."""
        return Principal(self.kind, self.subject, self.tenant_id, self.scopes, self.claims, self.user)

    def may(self, scope: str) -> bool:
        """Tell whether ``scope`` was granted."""
        return self.scopes is None or scope in self.scopes

    def require_scope(self, scope: str) -> None:
        """Raise :class:`~mt_paas.errors.ScopeMissing` unless ``scope`` was granted."""
        if not self.may(scope):
            raise ScopeMissing(f"This needs the scope {scope}, which the credentials do not have.")
