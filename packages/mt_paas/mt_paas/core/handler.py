""":class:`ManagedTenantHandler`: the whole of the Standard API v1 on top of a :class:`TenantManager`.

A service takes it as it is, or overrides what only the service knows: who its users are (``count_users``) and what
they used (``count_usage``).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.access import SetupLinks
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.manager import TenantManager
from mt_paas.core.operation import TenantOperation
from mt_paas.core.schemas import Profile, Tenant
from mt_paas.errors import ServiceNotReady, TenantAlreadyExists, TenantNotFound, TenantPurged
from mt_paas.standard_api.handler import StandardAPIHandler, call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    HealthCheck,
    HealthStatus,
    StatusResponse,
    StorageFigures,
    TenantState,
    Usage,
    UsageResponse,
    UserFigures,
)

__all__ = ["ManagedTenantHandler"]

_GIGABYTE = 10**9
_STATES = {
    TenantStatus.ACTIVE: TenantState.ACTIVE,
    TenantStatus.UPDATING: TenantState.ACTIVE,
    TenantStatus.SUSPENDED: TenantState.SUSPENDED,
    TenantStatus.PURGED: None,
}


class ManagedTenantHandler(StandardAPIHandler):
    """The contract's calls, as steps of a :class:`TenantManager`. ``manifest`` says where the service is reached."""

    def __init__(
        self, manager: TenantManager, manifest: Manifest, *, setup_link_lifetime: timedelta = timedelta(days=3)
    ) -> None:
        self.manager = manager
        self.manifest = manifest
        self.service_version = manifest.service.version
        self.links = SetupLinks(manager, manifest.endpoints.base_url, setup_link_lifetime)

    async def count_users(self, session: AsyncSession) -> UserFigures:
        """Count the users of the tenant whose database ``session`` sees. Without an override there are none."""
        return UserFigures(total=0, active_today=0)

    async def count_usage(self, session: AsyncSession, period: str) -> dict[str, float]:
        """Return the service's own meters for ``period`` (``YYYY-MM`` or ``YYYY-MM-DD``, UTC), by their names."""
        return {}

    async def health(self) -> Health:
        """Report whether the registry answers."""
        started = perf_counter()
        try:
            await self.manager.check_database()
        except ServiceNotReady as error:
            check = HealthCheck(status=HealthStatus.UNHEALTHY, detail=error.message)
        else:
            latency = round((perf_counter() - started) * 1000, 3)
            check = HealthCheck(status=HealthStatus.HEALTHY, latency_ms=latency)
        now = datetime.now(UTC)
        return Health(status=check.status, version=self.service_version, timestamp=now, checks={"database": check})

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse:
        """Create the tenant, complete a half-done one, or bring a deactivated one back with its data.

        A request counts as the same when its ``Idempotency-Key`` or its body is the one that activated the tenant.
        """
        key, fingerprint = call_context().idempotency_key, _fingerprint(request)
        async with self.manager.operation(request.tenant_id, actor="market") as operation:
            tenant = await operation.find()
            if tenant is not None:
                tenant = await operation.settle()
            if tenant is None:
                await operation.onboard(self._profile(request))
            elif tenant.status is TenantStatus.PURGED:
                raise TenantPurged
            elif tenant.status in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}:
                if tenant.fingerprint == fingerprint or (key is not None and tenant.idempotency_key == key):
                    return self._activated(tenant)
                raise TenantAlreadyExists
            else:
                await operation.describe(self._profile(request))
            await operation.expect(fingerprint=fingerprint, idempotency_key=key)
            tenant = await operation.provision("activated")
        return self._activated(tenant)

    async def deactivate_tenant(self, tenant_id: str, request: DeactivateRequest) -> DeactivateResponse:
        """Close the tenant now or at ``deactivate_at``. A tenant that never became active is undone altogether."""
        async with self.manager.operation(tenant_id, actor="market") as operation:
            await operation.get()
            tenant = await operation.settle()
            if tenant.status in {TenantStatus.PENDING, TenantStatus.PROVISIONING, TenantStatus.FAILED}:
                return await self._undo(operation, tenant, request)
            at, is_open = request.deactivate_at, tenant.status in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}
            if is_open and at is not None and at > self.manager.clock():
                tenant = await operation.schedule(at, preserve_data=request.preserve_data)
                return _closed(tenant, scheduled=True)
            return _closed(await operation.deactivate(request.reason, preserve_data=request.preserve_data))

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report the tenant's state and figures. One that never became active, or is purged, is not there."""
        tenant = await self.manager.get_tenant(tenant_id)
        now = self.manager.clock()
        state = _STATES.get(tenant.status_at(now), TenantState.DEACTIVATED)
        if state is None or not tenant.activation:
            raise TenantNotFound
        users = UserFigures(total=0, active_today=0)
        if state is TenantState.ACTIVE:
            async with self.manager.open_session(tenant) as session:
                users = await self.count_users(session)
        return StatusResponse(
            tenant_id=tenant_id,
            status=state,
            plan=tenant.plan,
            created_at=tenant.created_at,
            users=users,
            storage=StorageFigures(
                used_gb=await self._storage_gb(tenant), limit_gb=tenant.profile.config.get("storage_limit_gb")
            ),
        )

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report the storage that the tenant takes now, and the service's own meters for the period."""
        tenant = await self.manager.get_tenant(tenant_id)
        if not tenant.activation or tenant.status is TenantStatus.PURGED:
            raise TenantNotFound
        meters: dict[str, float] = {}
        if tenant.status_at(self.manager.clock()) in {TenantStatus.ACTIVE, TenantStatus.UPDATING}:
            async with self.manager.open_session(tenant) as session:
                meters = await self.count_usage(session, period)
        usage = Usage.model_validate({"storage_gb": await self._storage_gb(tenant), **meters})
        return UsageResponse(tenant_id=tenant_id, period=period, usage=usage)

    async def _storage_gb(self, tenant: Tenant) -> float:
        return await self.manager.storage_bytes(tenant) / _GIGABYTE

    async def _undo(self, operation: TenantOperation, tenant: Tenant, request: DeactivateRequest) -> DeactivateResponse:
        if not tenant.activation:
            await operation.cancel(request.reason)
            return DeactivateResponse(status="deactivated", tenant_id=tenant.tenant_id, data_preserved=False)
        await operation.provision("completed, to be deactivated")
        return _closed(await operation.deactivate(request.reason, preserve_data=request.preserve_data))

    def _profile(self, request: ActivateRequest) -> Profile:
        return Profile(
            name=request.tenant_name,
            service_type=self.manager.service_id,
            plan=request.plan,
            features=tuple(request.features),
            config=request.config.model_dump(mode="json"),
            admin_email=request.admin.email,
            admin_name=request.admin.name,
        )

    def _activated(self, tenant: Tenant) -> ActivateResponse:
        has_page = self.manifest.endpoints.user_access is not None
        return ActivateResponse(
            tenant_id=tenant.tenant_id,
            access_url=self.manifest.url("user_access", tenant.tenant_id)
            if has_page
            else self.manifest.endpoints.base_url,
            admin_credentials=self.links.issue(tenant),
        )


def _closed(tenant: Tenant, *, scheduled: bool = False) -> DeactivateResponse:
    return DeactivateResponse(
        status="scheduled" if scheduled else "deactivated",
        tenant_id=tenant.tenant_id,
        data_preserved=tenant.data_preserved,
        reactivation_deadline=tenant.reactivation_deadline,
    )


def _fingerprint(request: ActivateRequest) -> str:
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
