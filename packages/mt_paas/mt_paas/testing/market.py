"""A market in memory, for the tests of one service: it activates and deactivates tenants as a market does.

It drives the service by its manifest over real HTTP, with the client of the real market, and believes nothing that the
contract does not allow. Its methods block, whatever event loop the test runs in. What it made it removes.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from mt_paas.errors import ServiceCallError
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.client import StandardAPIClient, Timeouts
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    Admin,
    DeactivateReason,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    StatusResponse,
    TenantConfig,
    UsageResponse,
)
from mt_paas.testing.target import RunningService

__all__ = ["Market", "MarketTenant"]

_ANYWHERE = AddressPolicy(allow=["0.0.0.0/0", "::/0"])  # whoever tests a service says where it is
_DEFAULT_PLAN = "basic"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class MarketTenant:
    """A tenant that the market has had activated: what it asked for, and what it was answered."""

    request: ActivateRequest
    activation: ActivateResponse

    @property
    def id(self) -> str:
        """The tenant's id."""
        return self.request.tenant_id

    @property
    def access_url(self) -> str:
        """Where the tenant's users enter."""
        return self.activation.access_url


class Market:
    """A market with one service. What it made is removed by :meth:`remove_all`, which the fixture calls."""

    def __init__(self, service: RunningService, *, timeouts: Timeouts | None = None) -> None:
        self.service = service
        self.manifest = service.manifest
        self.tenants: dict[str, MarketTenant] = {}
        self._timeouts = timeouts or Timeouts(total=30.0)

    def ask(self, call: Callable[[StandardAPIClient], Awaitable[Result]]) -> Result:
        """Return what any call of the client is answered: ``market.ask(lambda client: client.users("demo"))``."""

        async def asked() -> Result:
            async with StandardAPIClient(
                self.manifest, self.service.key, addresses=_ANYWHERE, timeouts=self._timeouts
            ) as client:
                return await call(client)

        return self.service.loop.run(asked())

    def health(self) -> Health:
        """Ask the service how it is."""
        return self.ask(lambda client: client.health())

    def activate(
        self,
        tenant_id: str | None = None,
        *,
        plan: str | None = None,
        config: Mapping[str, Any] | None = None,
        admin: Admin | None = None,
    ) -> MarketTenant:
        """Have a tenant activated: a new one, or ``tenant_id`` again, which brings back what was deactivated.

        The first plan of the manifest is taken unless another is named. Raises ``ServiceCallError``.
        """
        plan = plan or next(iter(self.manifest.plan_names), _DEFAULT_PLAN)
        request = ActivateRequest(
            tenant_id=tenant_id or f"test-{secrets.token_hex(6)}",
            tenant_name="A tenant of a test",
            plan=plan,
            features=list(self.manifest.features_of(plan)),
            config=TenantConfig.model_validate(dict(config or {})),
            admin=admin or Admin(email="admin@example.org", name="Admin"),
        )
        return self.request(request)

    def request(self, request: ActivateRequest) -> MarketTenant:
        """Have a tenant activated by this very request, such as that of a tenant that there is."""
        key = secrets.token_hex(16)
        answer = self.ask(lambda client: client.activate(request, idempotency_key=key))
        tenant = MarketTenant(request, answer)
        self.tenants[tenant.id] = tenant
        return tenant

    def deactivate(
        self,
        tenant: MarketTenant | str,
        *,
        preserve_data: bool = True,
        at: datetime | None = None,
        reason: DeactivateReason = DeactivateReason.ADMIN_REQUEST,
    ) -> DeactivateResponse:
        """Have a tenant deactivated, now or ``at`` a time. Raises ``ServiceCallError``."""
        body = DeactivateRequest(reason=reason, preserve_data=preserve_data, deactivate_at=at)
        tenant_id, key = _id(tenant), secrets.token_hex(16)
        return self.ask(lambda client: client.deactivate(tenant_id, body, idempotency_key=key))

    def status(self, tenant: MarketTenant | str) -> StatusResponse:
        """Ask for a tenant's status. Raises ``ServiceRefused`` for one that the service does not have."""
        return self.ask(lambda client: client.status(_id(tenant)))

    def usage(self, tenant: MarketTenant | str, period: str = "monthly") -> UsageResponse:
        """Ask what a tenant used in a period."""
        return self.ask(lambda client: client.usage(_id(tenant), period))

    def remove(self, tenant: MarketTenant | str) -> None:
        """Have a tenant closed and its data deleted. A tenant that is not there any more is no error."""
        with contextlib.suppress(ServiceCallError):
            self.deactivate(tenant, preserve_data=False)
        if self.manifest.declares("purge"):
            with contextlib.suppress(ServiceCallError):
                self.ask(lambda client: client.purge(_id(tenant)))
        self.tenants.pop(_id(tenant), None)

    def remove_all(self) -> None:
        """Remove every tenant that this market has had activated."""
        for tenant_id in list(self.tenants):
            self.remove(tenant_id)


def _id(tenant: MarketTenant | str) -> str:
    return tenant if isinstance(tenant, str) else tenant.id
