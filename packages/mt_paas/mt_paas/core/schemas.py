"""What the rest of a service sees of its tenants: frozen values, never rows of the registry.

The names are the ones of the contract. Personal data (the administrator, the configuration) stay out of ``repr``, and
so out of logs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import TenantBlocked

__all__ = ["Profile", "Tenant", "TenantPage", "Transition", "decode_cursor", "encode_cursor"]

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
class Tenant:
    """One tenant of this service, as the registry knew it when it was asked.

    ``activation`` counts how often the tenant became active: 0 is never. ``data_preserved`` and
    ``reactivation_deadline`` speak of the last deactivation, scheduled or done.
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

    def require_open(self, now: datetime) -> None:
        """Raise :class:`~mt_paas.errors.TenantBlocked` unless the tenant's users may work at ``now``."""
        status = self.status_at(now)
        if status in _OPEN:
            return
        code = "tenant_suspended" if status is TenantStatus.SUSPENDED else "tenant_deactivated"
        raise TenantBlocked(f"Tenant {self.tenant_id} is {status} and not open for its users.", code=code)


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


def encode_cursor(tenant_id: str) -> str:
    """Return the opaque cursor of the page that follows ``tenant_id``."""
    return base64.urlsafe_b64encode(tenant_id.encode()).decode()


def decode_cursor(cursor: str) -> str:
    """Return the tenant id in ``cursor``. Raises :class:`ValueError` for what :func:`encode_cursor` never made."""
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
    except (UnicodeError, binascii.Error) as error:
        raise ValueError("this is no cursor of a list of tenants; start again without one") from error
