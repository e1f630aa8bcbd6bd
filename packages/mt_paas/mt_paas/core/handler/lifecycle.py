"""Version 1 of the Standard API: the life of a tenant, as steps of a :class:`~mt_paas.core.manager.TenantManager`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeVar

from mt_paas.core.answered_calls import AnsweredCall
from mt_paas.core.handler.base import ManagedBase
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.schemas import ActivationCall, Profile, Tenant
from mt_paas.errors import ServiceNotReady, TenantAlreadyExists, TenantPurged
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    HealthCheck,
    HealthStatus,
    StatusResponse,
    StorageFigures,
    Usage,
    UsageResponse,
    UserFigures,
)

__all__ = ["LifecycleCalls"]

_GIGABYTE = 10**9

Answer = TypeVar("Answer", bound=ContractModel)


class LifecycleCalls(ManagedBase):
    """The calls of version 1."""

    async def health(self) -> Health:
        """Report whether the registry answers, and is degraded while tenants wait for migrations."""
        started = perf_counter()
        try:
            await self.manager.check_database()
        except ServiceNotReady as error:
            checks = {"database": HealthCheck(status=HealthStatus.UNHEALTHY, detail=error.message)}
        else:
            latency = round((perf_counter() - started) * 1000, 3)
            checks = {"database": HealthCheck(status=HealthStatus.HEALTHY, latency_ms=latency)}
            if await self.manager.tenants_behind():
                checks["migrations"] = HealthCheck(status=HealthStatus.DEGRADED, detail="tenants wait for migrations")
        worst = max((check.status for check in checks.values()), key=list(HealthStatus).index)
        return Health(status=worst, version=self.service_version, timestamp=datetime.now(UTC), checks=checks)

    async def do_activate(self, request: ActivateRequest) -> ActivateResponse:
        """Create the tenant, complete a half-done one, or bring a deactivated one back with its data.

        A request counts as the same when its ``Idempotency-Key`` was answered before, or its body is the one that
        activated the tenant. One whose key was answered opens nothing that was closed since. An equal body with a new
        key wants the tenant to stay: a deactivation that was scheduled is taken back.
        """
        key = call_context().idempotency_key
        async with self.manager.operation(request.tenant_id, actor="market") as operation:
            tenant = await operation.find()
            if tenant is not None:
                tenant = await operation.settle()
            before = await self._answered(tenant, "activate") if tenant is not None else None
            profile, call = (
                self._profile(request),
                ActivationCall(fingerprint=_fingerprint(request), idempotency_key=key),
            )
            if tenant is None:
                await operation.onboard(profile, call=call)
            elif before is not None and not self._is_of_now(before, tenant):
                return self.activated(tenant, before.activation)
            elif tenant.status in {TenantStatus.PURGED, TenantStatus.ACTIVE, TenantStatus.SUSPENDED}:
                await self.refuse_another(tenant, request)
                if request.callback is not None:
                    await self.manager.set_callback(tenant.tenant_id, request.callback)
                if key is not None and before is None:
                    await operation.keep_open()
                    await self._keep_answer(tenant, "activate", None)
                return self.activated(tenant)
            else:
                await operation.describe(profile, call)
            if request.callback is not None:
                await self.manager.set_callback(request.tenant_id, request.callback)
            tenant = await operation.provision("activated")
        return self.activated(tenant)

    async def refuse_another(self, tenant: Tenant, request: ActivateRequest) -> None:
        """Raise ``TenantPurged``, or ``TenantAlreadyExists`` for an open tenant that another request activated."""
        if tenant.status is TenantStatus.PURGED:
            raise TenantPurged
        if not tenant.is_working(self.manager.clock()) or tenant.fingerprint == _fingerprint(request):
            return
        if await self._answered(tenant, "activate") is None:
            raise TenantAlreadyExists

    async def do_deactivate(self, tenant_id: str, request: DeactivateRequest) -> DeactivateResponse:
        """Close the tenant now or at ``deactivate_at``. A tenant that never became active is undone altogether."""
        async with self.manager.operation(tenant_id, actor="market") as operation:
            tenant = await operation.settle()
            if before := await self.answer_before(tenant, "deactivate", DeactivateResponse):
                return before
            if tenant.status in {TenantStatus.PENDING, TenantStatus.PROVISIONING, TenantStatus.FAILED}:
                if not tenant.activation:
                    await operation.cancel(request.reason)
                    return DeactivateResponse(status="deactivated", tenant_id=tenant_id, data_preserved=False)
                await operation.provision("completed, to be deactivated")
            at, is_open = request.deactivate_at, tenant.status in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}
            if is_open and at is not None and at > self.manager.clock():
                tenant = await operation.schedule(at, preserve_data=request.preserve_data)
                return await self.keep_answer(tenant, "deactivate", _closed(tenant, scheduled=True))
            tenant = await operation.deactivate(request.reason, preserve_data=request.preserve_data)
            return await self.keep_answer(tenant, "deactivate", _closed(tenant))

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report the tenant's state and figures. One that never became active, or is purged, is not there.

        The users of one that is closed are not counted: in quarantine too, where the tables may not fit the query.
        """
        tenant = await self.known(tenant_id)
        users, used = await asyncio.gather(self._users(tenant), self._storage_gb(tenant))
        return StatusResponse(
            tenant_id=tenant_id,
            status=self.state_of(tenant),
            plan=tenant.plan,
            created_at=tenant.created_at,
            users=users,
            storage=StorageFigures(used_gb=used, limit_gb=tenant.profile.config.get("storage_limit_gb")),
        )

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report the storage that the tenant takes now, what was counted, and the service's own figures."""
        tenant = await self.known(tenant_id)
        meters: dict[str, float] = {}
        if self.options.meters is not None:
            meters = await self.options.meters.totals(period, tenant_id=tenant_id)
        if tenant.is_working(self.manager.clock()):
            async with self.manager.visit(tenant) as session:
                meters |= await self.count_usage(session, period)
        usage = Usage.model_validate({"storage_gb": await self._storage_gb(tenant), **meters})
        return UsageResponse(tenant_id=tenant_id, period=period, usage=usage)

    async def _users(self, tenant: Tenant) -> UserFigures:
        if not tenant.is_working(self.manager.clock()) or tenant.quarantined_at is not None:
            return UserFigures(total=0, active_today=0)
        async with self.manager.visit(tenant) as session:
            return await self.count_users(session)

    async def _storage_gb(self, tenant: Tenant) -> float:
        return await self.manager.storage_bytes(tenant) / _GIGABYTE

    async def answer_before(self, tenant: Tenant, kind: str, model: type[Answer]) -> Answer | None:
        """Return what this call of ``kind`` was answered when its ``Idempotency-Key`` came before; null if it did not.

        Ask while the tenant is held. However late a call comes once more, what followed it is not undone.
        """
        before = await self._answered(tenant, kind)
        return model.model_validate_json(json.dumps(before.answer)) if before is not None else None

    async def keep_answer(self, tenant: Tenant, kind: str, answer: Answer) -> Answer:
        """Return ``answer``, kept for when this call comes again."""
        await self._keep_answer(tenant, kind, answer.model_dump(mode="json"))
        return answer

    def _is_of_now(self, call: AnsweredCall, tenant: Tenant) -> bool:
        return tenant.is_working(self.manager.clock()) and call.activation == tenant.activation

    async def _answered(self, tenant: Tenant, kind: str) -> AnsweredCall | None:
        return await self.manager.operations.answered(tenant.tenant_id, kind, call_context().idempotency_key)

    async def _keep_answer(self, tenant: Tenant, kind: str, answer: dict[str, Any] | None) -> None:
        key = call_context().idempotency_key
        if key is None or tenant.status is TenantStatus.PURGED:  # of which nothing is kept, and nothing can change
            return
        call = AnsweredCall(
            tenant_id=tenant.tenant_id, kind=kind, idempotency_key=key, activation=tenant.activation, answer=answer
        )
        await self.manager.operations.keep_answer(call)

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

    def activated(self, tenant: Tenant, activation: int | None = None) -> ActivateResponse:
        """Return what the tenant's activation is answered, with its set-up link; that of an earlier one has ended."""
        is_present = activation in {None, tenant.activation}
        return ActivateResponse(
            tenant_id=tenant.tenant_id,
            access_url=self.home_of(tenant.tenant_id),
            admin_credentials=self.links.issue(tenant) if is_present else None,
        )


def _closed(tenant: Tenant, *, scheduled: bool = False) -> DeactivateResponse:
    return DeactivateResponse(
        status="scheduled" if scheduled else "deactivated",
        tenant_id=tenant.tenant_id,
        data_preserved=tenant.data_preserved,
        reactivation_deadline=tenant.reactivation_deadline,
    )


def _fingerprint(request: ActivateRequest) -> str:
    canonical = json.dumps(
        request.model_dump(mode="json", exclude={"callback"}), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
