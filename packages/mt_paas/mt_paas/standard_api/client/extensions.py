"""The calls of the extensions, each of which a service declares in its manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mt_paas.standard_api.client.dashboard import PagedCalls
from mt_paas.standard_api.client.operations import OperationCalls
from mt_paas.standard_api.client.walking import MAX_WALKED, walk
from mt_paas.standard_api.models import (
    CredentialsResponse,
    DeletionReceipt,
    ExportResult,
    OperationAccepted,
    PlanChangeRequest,
    PlanChangeResponse,
    ServiceConfiguration,
    SsoRequest,
    SsoResponse,
    SuspendRequest,
    TenantPage,
    TenantState,
    TenantStateResponse,
    TenantSummary,
)

__all__ = ["ExtensionCalls"]


class ExtensionCalls(OperationCalls, PagedCalls):
    """Discovery, inventory, change of plan, suspension, purge, export, credentials and single sign-on.

    Each raises ``NotImplementedByService`` when the manifest does not declare it. Those that a service may answer
    later wait for the end; their ``begin_…`` does not, and returns an ``OperationAccepted`` then.
    """

    async def configuration(self) -> ServiceConfiguration:
        """Ask what the service offers, and within which limits: versions, extensions, header of the key."""
        return await self._call(ServiceConfiguration, "GET", "configuration", with_key=bool(self._api_key))

    async def list_tenants(self, *, cursor: str | None = None, limit: int | None = None) -> TenantPage:
        """Ask for a page of every tenant that the service has."""
        return await self._page(TenantPage, "inventory", cursor=cursor, limit=limit)

    def walk_tenants(self, *, limit: int | None = None, at_most: int = MAX_WALKED) -> AsyncIterator[TenantSummary]:
        """Yield every tenant that the service has, ``limit`` a page."""

        async def page(cursor: str | None) -> TenantPage:
            return await self.list_tenants(cursor=cursor, limit=limit)

        return walk(page, lambda tenant: tenant.tenant_id, f"The tenants of {self._manifest.service.id}", at_most)

    async def change_plan(
        self, tenant_id: str, request: PlanChangeRequest, *, idempotency_key: str
    ) -> PlanChangeResponse:
        """Put the tenant on another plan; its data stay. Refused with ``plan_change_not_allowed``."""
        answer = await self.begin_change_plan(tenant_id, request, idempotency_key=idempotency_key)
        return await self._waited(answer, PlanChangeResponse, tenant_id, plan=request.plan)

    async def begin_change_plan(
        self, tenant_id: str, request: PlanChangeRequest, *, idempotency_key: str
    ) -> PlanChangeResponse | OperationAccepted:
        """Put the tenant on another plan, and do not wait for a service that answers later."""
        return await self._begin(
            PlanChangeResponse,
            "POST",
            "plan_change",
            tenant_id=tenant_id,
            body=request,
            idempotency_key=idempotency_key,
            expected={"tenant_id": tenant_id, "plan": request.plan},
        )

    async def suspend(self, tenant_id: str, request: SuspendRequest) -> TenantStateResponse:
        """Block the tenant for its users; its data are untouched. The same call again is safe."""
        return await self._call(
            TenantStateResponse,
            "POST",
            "suspend",
            tenant_id=tenant_id,
            body=request,
            expected={"tenant_id": tenant_id, "status": TenantState.SUSPENDED},
        )

    async def resume(self, tenant_id: str) -> TenantStateResponse:
        """Open a suspended tenant again. The same call again is safe."""
        return await self._call(
            TenantStateResponse,
            "POST",
            "resume",
            tenant_id=tenant_id,
            expected={"tenant_id": tenant_id, "status": TenantState.ACTIVE},
        )

    async def purge(self, tenant_id: str, *, idempotency_key: str | None = None) -> DeletionReceipt:
        """Have the tenant's data deleted for good, and return the receipt."""
        answer = await self.begin_purge(tenant_id, idempotency_key=idempotency_key)
        return await self._waited(answer, DeletionReceipt, tenant_id)

    async def begin_purge(
        self, tenant_id: str, *, idempotency_key: str | None = None
    ) -> DeletionReceipt | OperationAccepted:
        """Have the tenant's data deleted, and do not wait for a service that answers later."""
        return await self._begin(
            DeletionReceipt,
            "DELETE",
            "purge",
            tenant_id=tenant_id,
            idempotency_key=idempotency_key,
            expected={"tenant_id": tenant_id},
        )

    async def export(self, tenant_id: str, *, idempotency_key: str | None = None) -> ExportResult:
        """Have the tenant's data exported, and return where they can be fetched."""
        answer = await self.begin_export(tenant_id, idempotency_key=idempotency_key)
        return await self._waited(answer, ExportResult, tenant_id)

    async def begin_export(
        self, tenant_id: str, *, idempotency_key: str | None = None
    ) -> ExportResult | OperationAccepted:
        """Have the tenant's data exported, and do not wait for it."""
        return await self._begin(ExportResult, "POST", "export", tenant_id=tenant_id, idempotency_key=idempotency_key)

    async def rotate_credentials(self, tenant_id: str, *, idempotency_key: str | None = None) -> CredentialsResponse:
        """Have the administrator given new credentials; the old ones end."""
        return await self._call(
            CredentialsResponse,
            "POST",
            "credentials_rotate",
            tenant_id=tenant_id,
            idempotency_key=idempotency_key,
            expected={"tenant_id": tenant_id},
        )

    async def sso(self, tenant_id: str, request: SsoRequest) -> SsoResponse:
        """Ask for a link that logs a user in once, within 60 seconds."""
        return await self._call(SsoResponse, "POST", "sso", tenant_id=tenant_id, body=request)
