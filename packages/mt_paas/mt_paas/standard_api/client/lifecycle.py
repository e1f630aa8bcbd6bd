"""The calls of version 1: the life of a tenant."""

from __future__ import annotations

from mt_paas.standard_api.client.operations import OperationCalls
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    OperationAccepted,
    StatusResponse,
    UsageResponse,
)

__all__ = ["LifecycleCalls", "period_of"]


class LifecycleCalls(OperationCalls):
    """Health, activation, deactivation, status and usage."""

    async def health(self) -> Health:
        """Ask the service how it is. The only call without the key."""
        return await self._call(Health, "GET", "health", with_key=False)

    async def activate(self, request: ActivateRequest, *, idempotency_key: str) -> ActivateResponse:
        """Have the tenant created, or brought back with its data. The same call again is safe.

        Waits for a service that answers later.
        """
        answer = await self.begin_activate(request, idempotency_key=idempotency_key)
        return await self._waited(answer, ActivateResponse, request.tenant_id)

    async def begin_activate(
        self, request: ActivateRequest, *, idempotency_key: str
    ) -> ActivateResponse | OperationAccepted:
        """Have the tenant created, or brought back, and do not wait for a service that answers later."""
        return await self._begin(
            ActivateResponse,
            "POST",
            "tenant_activate",
            tenant_id=request.tenant_id,
            body=request,
            idempotency_key=idempotency_key,
            expected={"tenant_id": request.tenant_id},
        )

    async def deactivate(
        self, tenant_id: str, request: DeactivateRequest, *, idempotency_key: str
    ) -> DeactivateResponse:
        """Have the tenant closed for its users, now or at ``deactivate_at``. The same call again is safe.

        Waits for a service that answers later.
        """
        answer = await self.begin_deactivate(tenant_id, request, idempotency_key=idempotency_key)
        return await self._waited(answer, DeactivateResponse, tenant_id)

    async def begin_deactivate(
        self, tenant_id: str, request: DeactivateRequest, *, idempotency_key: str
    ) -> DeactivateResponse | OperationAccepted:
        """Have the tenant closed, and do not wait for a service that answers later."""
        if not self._manifest.names_tenant("tenant_deactivate"):
            request = request.model_copy(update={"tenant_id": tenant_id})
        return await self._begin(
            DeactivateResponse,
            "POST",
            "tenant_deactivate",
            tenant_id=tenant_id,
            body=request,
            idempotency_key=idempotency_key,
            expected={"tenant_id": tenant_id},
        )

    async def status(self, tenant_id: str) -> StatusResponse:
        """Ask for the tenant's state and figures."""
        return await self._call(
            StatusResponse, "GET", "tenant_status", tenant_id=tenant_id, expected={"tenant_id": tenant_id}
        )

    async def usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Ask what the tenant used in ``period`` (``daily``, ``monthly``, ``YYYY-MM``, ``YYYY-MM-DD``).

        Raises ``NotImplementedByService`` when the manifest names no such call.
        """
        return await self._call(
            UsageResponse,
            "GET",
            "usage_report",
            tenant_id=tenant_id,
            query={"period": period},
            expected={"tenant_id": tenant_id, **period_of(period)},
        )


def period_of(period: str) -> dict[str, str]:
    """Return the field of an answer that says which period it is about, as far as the caller can tell."""
    return {} if period in {"daily", "monthly"} else {"period": period}
