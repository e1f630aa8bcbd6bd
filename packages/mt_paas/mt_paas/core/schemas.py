"""What the rest of a service sees of its tenants: frozen values, never rows of the registry.

The names are the ones of the contract. Personal data (the administrator, the configuration) stay out of ``repr``, and
so out of logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ServiceNotReady, TenantBlocked

__all__ = ["ActivationCall", "Profile", "Tenant", "TenantPage", "Transition"]

_OPEN = frozenset({TenantStatus.ACTIVE, TenantStatus.UPDATING})
_WORKING = _OPEN | {TenantStatus.SUSPENDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a subscriber decides about a tenant: name, plan, features, configuration, administrator."""

    name: str
    service_type: str
    plan: str = "basic"
    features: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    admin_email: str | None = field(default=None, repr=False)
    admin_name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationCall:
    """Which call an activation answers: a hash of its body, and its ``Idempotency-Key``."""

    fingerprint: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant of this service, as the registry knew it when it was asked.

    ``activation`` counts how often the tenant became active: 0 is never. ``data_preserved`` and
    ``reactivation_deadline`` speak of the last deactivation, scheduled or done. ``rotation`` counts how often its
    credentials were replaced; ``tables`` is the version of the library's tables in its database, ``revision`` that of
    the service's, by its migrations. A tenant whose migration failed is quarantined, and closed for its users.
    """

    tenant_id: str
    profile: Profile
    status: TenantStatus
    isolation: str
    database: str
    created_at: datetime
    activation: int
    activated_at: datetime | None
    deactivate_at: datetime | None
    deactivated_at: datetime | None
    data_preserved: bool
    reactivation_deadline: datetime | None
    failure_reason: str | None
    idempotency_key: str | None
    fingerprint: str | None = field(repr=False)
    rotation: int = 0
    rotated_at: datetime | None = None
    tables: int = 0
    revision: str | None = None
    quarantined_at: datetime | None = None
    quarantine_reason: str | None = None

    @property
    def name(self) -> str:
        """The name that people read."""
        return self.profile.name

    @property
    def plan(self) -> str:
        """The plan that the tenant is on."""
        return self.profile.plan

    def status_at(self, now: datetime) -> TenantStatus:
        """Return where the tenant is at ``now``: past its scheduled time it is deactivated, written down or not."""
        if self.status in _WORKING and self.deactivate_at is not None and self.deactivate_at <= now:
            return TenantStatus.DEACTIVATED
        return self.status

    def is_past_deadline(self, now: datetime) -> bool:
        """Tell whether the tenant is deactivated and its data are not to be had back any more."""
        if self.status_at(now) is not TenantStatus.DEACTIVATED:
            return False
        return self.reactivation_deadline is None or self.reactivation_deadline <= now

    @property
    def is_known(self) -> bool:
        """Whether the tenant is there for the market: it was active once, and is not purged."""
        return self.activation > 0 and self.status is not TenantStatus.PURGED

    def is_working(self, now: datetime) -> bool:
        """Tell whether the tenant is active or suspended at ``now``: the market may work with its data."""
        return self.status_at(now) in _WORKING

    def require_open(self, now: datetime) -> None:
        """Raise :class:`~mt_paas.errors.TenantBlocked` unless the tenant's users may work at ``now``.

        Raises :class:`~mt_paas.errors.ServiceNotReady` while it is quarantined.
        """
        status = self.status_at(now)
        if status in _OPEN:
            self.require_usable()
            return
        code = "tenant_suspended" if status is TenantStatus.SUSPENDED else "tenant_deactivated"
        raise TenantBlocked(f"Tenant {self.tenant_id} is {status} and not open for its users.", code=code)

    def require_usable(self) -> None:
        """Raise :class:`~mt_paas.errors.ServiceNotReady` while the tenant's tables may not be what the code expects."""
        if self.quarantined_at is not None:
            raise ServiceNotReady(
                f"Tenant {self.tenant_id} waits for the service's operator: a migration of its tables failed."
            )


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a tenant's life: who, why and when. ``came_from`` is null for the first.

    A step from a status to itself is a failure that left the tenant where it was.
    """

    came_from: TenantStatus | None
    went_to: TenantStatus
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Some tenants, ordered by id, and the cursor of the next page; null on the last."""

    items: tuple[Tenant, ...]
    next_cursor: str | None
