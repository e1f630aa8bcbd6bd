"""What a service implements: :class:`StandardAPIHandler`, one method for each call of the contract.

Subclass it and override the required four (``health`` has a ready answer). An optional operation that is not
overridden answers 501 ``not_implemented``. A method says no by raising a
:class:`~mt_paas.errors.ContractError`; everything else that it raises becomes a 500 without its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from mt_paas.errors import NotImplementedByService
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    HealthStatus,
    StatusResponse,
    UsageResponse,
)

__all__ = ["CallContext", "StandardAPIHandler", "call_context", "in_call"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """What came with a call beside its body: ids for logs, and the caller's ``Idempotency-Key``."""

    request_id: str
    idempotency_key: str | None = None
    traceparent: str | None = None


_current: ContextVar[CallContext | None] = ContextVar("mt_paas_call", default=None)


def call_context() -> CallContext:
    """Return the context of the contract call that is being handled; outside of one, an empty context."""
    return _current.get() or CallContext(request_id="-")


@contextmanager
def in_call(context: CallContext) -> Iterator[None]:
    """Make ``context`` what :func:`call_context` returns, in this task and in those that it starts."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


class StandardAPIHandler:
    """The Standard API of one service. All methods are coroutines; subclasses override what they offer."""

    #: What ``health`` reports; ``create_standard_router`` fills it from the manifest when there is one.
    service_version: str = "0"

    async def health(self) -> Health:
        """Report how the service is. Called without a key, once a minute: keep it quick."""
        return Health(status=HealthStatus.HEALTHY, version=self.service_version, timestamp=datetime.now(UTC))

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse:
        """Create the tenant, or bring a deactivated one back with its data.

        The same request again answers the same result. Raises ``TenantAlreadyExists`` for another body,
        ``TenantPurged`` past the deadline, ``OperationInProgress`` while another lifecycle call runs.
        """
        raise NotImplementedByService

    async def deactivate_tenant(self, tenant_id: str, request: DeactivateRequest) -> DeactivateResponse:
        """Close the tenant for its users, now or at ``deactivate_at``; keep or delete its data. Idempotent."""
        raise NotImplementedByService

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report the tenant's state and figures. Raises ``TenantNotFound``."""
        raise NotImplementedByService

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report what the tenant used in ``period`` (resolved: ``YYYY-MM`` or ``YYYY-MM-DD``, UTC). Optional."""
        raise NotImplementedByService
