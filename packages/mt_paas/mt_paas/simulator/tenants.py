"""The simulated market's tenants, in memory: the states are those of the market, and so are the steps between them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mt_paas.core.clock import Clock
from mt_paas.core.lifecycle import TRANSITIONS, TenantStatus, check
from mt_paas.simulator.journal import Journal, Level
from mt_paas.standard_api.models import ActivateRequest, Callback, StatusResponse, TenantState

__all__ = ["SimulatedTenant", "Tenants"]


@dataclass(slots=True)
class SimulatedTenant:
    """One tenant: what the market asked for, what it believes, and what the service last said of it (``seen``)."""

    tenant_id: str
    request: ActivateRequest
    state: TenantStatus = TenantStatus.PENDING
    key: str = ""  # the Idempotency-Key of the activation that made it what it is
    access_url: str | None = None
    setup_url: str | None = None
    deactivate_at: datetime | None = None
    deadline: datetime | None = None
    seen: StatusResponse | None = None
    failure: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    secret: str = field(
        default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), repr=False
    )
    usage_reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    def may_become(self, state: TenantStatus) -> bool:
        """Return whether the market's table has the step."""
        return state in TRANSITIONS[self.state]

    def callback(self, events_url: str) -> Callback:
        """Return how the service reports back about this tenant."""
        return Callback(events_url=events_url, token=self.token, secret=self.secret)

    @property
    def is_drifting(self) -> bool:
        """Whether the service says something else of the tenant than the market believes."""
        believed = {
            TenantStatus.ACTIVE: TenantState.ACTIVE,
            TenantStatus.SUSPENDED: TenantState.SUSPENDED,
            TenantStatus.DEACTIVATED: TenantState.DEACTIVATED,
        }.get(self.state)
        return believed is not None and self.seen is not None and self.seen.status is not believed

    def as_dict(self) -> dict[str, Any]:
        """Return what the page shows of the tenant: no token, no secret."""
        return {
            "tenant_id": self.tenant_id,
            "tenant_name": self.request.tenant_name,
            "state": self.state,
            "plan": self.request.plan,
            "admin": self.request.admin.email,
            "access_url": self.access_url,
            "setup_url": self.setup_url,
            "deactivate_at": _text(self.deactivate_at),
            "deadline": _text(self.deadline),
            "failure": self.failure,
            "is_drifting": self.is_drifting,
            "seen": None if self.seen is None else self.seen.model_dump(mode="json"),
            "usage_reports": self.usage_reports,
        }


class Tenants:
    """Every tenant that the market knows, and the :class:`~mt_paas.core.lifecycle.TransitionStore` of their lives."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._tenants: dict[str, SimulatedTenant] = {}

    def __iter__(self) -> Iterator[SimulatedTenant]:
        return iter(self._tenants.values())

    def get(self, tenant_id: str) -> SimulatedTenant | None:
        """Return the tenant, or None."""
        return self._tenants.get(tenant_id)

    def add(self, tenant: SimulatedTenant) -> SimulatedTenant:
        """Add a tenant, and return it."""
        self._tenants[tenant.tenant_id] = tenant
        return tenant

    def by_token(self, token: str) -> SimulatedTenant | None:
        """Return the tenant to which a call-back token was given; compared in constant time."""
        found = None
        for tenant in self:
            if secrets.compare_digest(tenant.token.encode(), token.encode()):
                found = tenant
        return found

    @property
    def left(self) -> list[SimulatedTenant]:
        """The tenants that the service may still have."""
        gone = {TenantStatus.PENDING, TenantStatus.CANCELLED, TenantStatus.PURGED}
        return [tenant for tenant in self if tenant.state not in gone]

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        """Move the tenant to ``to``. Raises ``IllegalTransition``."""
        tenant = self._tenants[tenant_id]
        check(tenant.state, to)
        self._set(tenant, to)
        tenant.failure = _without_address(reason) if to is TenantStatus.FAILED else ""

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Keep why a step did not work; the tenant stays ``during``."""
        self._tenants[tenant_id].failure = reason = _without_address(reason)
        self._journal.note(Level.WARNING, f"{tenant_id} stays {during}: {reason}", tenant_id=tenant_id)

    def adopt(self, tenant: SimulatedTenant, state: TenantStatus) -> None:
        """Set the state to what the service was seen to have, whatever the table says: it was called out of order."""
        if tenant.state is not state:
            self._set(tenant, state)

    def _set(self, tenant: SimulatedTenant, state: TenantStatus) -> None:
        before, tenant.state = tenant.state, state
        self._journal.note(Level.INFO, f"{tenant.tenant_id}: {before} → {state}", tenant_id=tenant.tenant_id)


def _without_address(reason: str) -> str:
    """Return what a service said, without the call that the log shows already."""
    _, _, said = reason.partition(" answered ")
    return said or reason


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
