"""Whose registry it is: the service, and the secret that its passwords, links and cursors are derived from."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from mt_paas.core.models import ServiceRow
from mt_paas.errors import ConfigurationError
from mt_paas.utils.security import derive_token, equal

__all__ = ["ServiceIdentity", "identify"]


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """Whose registry it is, and the secret from which its passwords and links are derived."""

    registry_id: UUID
    service_id: str
    secret: str = field(repr=False)

    def mark_of(self, tenant_id: str) -> str:
        """Return what a database, a role or a schema says in its comment that was made for this tenant."""
        return f"mt_paas tenant {tenant_id} of registry {self.registry_id}"


def identify(row: ServiceRow, service_id: str, secret: str | None) -> ServiceIdentity:
    """Return the identity, or raise ``ConfigurationError``: another service's registry, or another secret."""
    if row.service_id != service_id:
        raise ConfigurationError(
            f"this database is the registry of the service {row.service_id}, not of {service_id}: "
            "give each service a database of its own (MT_DATABASE_URL)"
        )
    used = secret or row.secret
    if used is None or not equal(row.secret_check, derive_token(used, "registry")):
        raise ConfigurationError(
            "this registry was made with another secret key: set MT_SECRET_KEY to the one it was made with, "
            "or leave it out if it was out then"
        )
    return ServiceIdentity(row.registry_id, service_id, used)
