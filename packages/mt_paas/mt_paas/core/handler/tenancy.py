"""What changes a tenant in the middle of its life: its plan, a pause, new credentials, its end. And who is there."""

from __future__ import annotations

from dataclasses import replace

from mt_paas.core.handler.lifecycle import LifecycleCalls
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.operation import TenantOperation
from mt_paas.core.schemas import Profile, Tenant
from mt_paas.errors import PlanChangeNotAllowed, TenantNotActive, TenantNotFound
from mt_paas.standard_api.handler import PageQuery
from mt_paas.standard_api.models import (
    ActivateResponse,
    CredentialsResponse,
    DeletionReceipt,
    PlanChangeRequest,
    PlanChangeResponse,
    SuspendRequest,
    TenantPage,
    TenantState,
    TenantStateResponse,
    TenantSummary,
)

__all__ = ["TenancyCalls"]


class TenancyCalls(LifecycleCalls):
    """The extensions plan_change, suspend, purge, credentials and inventory, and the older webhook's reuse."""

    async def do_change_plan(self, tenant_id: str, request: PlanChangeRequest) -> PlanChangeResponse:
        """Put an active tenant on another plan; its data stay.

        Nobody can be added while it is looked whether the tenant's users fit in. Raises
        :class:`~mt_paas.errors.PlanChangeNotAllowed`.
        """
        plans = self.manifest.plan_names
        if plans and request.plan not in plans:
            raise PlanChangeNotAllowed(
                f"The service has no plan {request.plan}; it has {', '.join(plans)}.", details={"plans": list(plans)}
            )
        async with self.manager.operation(tenant_id, actor="market") as operation:
            tenant = await _settled(operation)
            if before := await self.answer_before(tenant, "plan", PlanChangeResponse):
                return before
            if tenant.status is not TenantStatus.ACTIVE:
                raise TenantNotActive(f"Tenant {tenant_id} is {tenant.status}; its plan can not be changed.")
            changed = replace(tenant, profile=self._on_plan(tenant.profile, request))
            async with self.manager.visit(tenant) as session:
                await self.users.hold(session)
                self._require_room(changed, (await self.count_users(session)).total)
                tenant = await operation.update(changed.profile, f"plan changed to {request.plan}")
            answer = PlanChangeResponse(tenant_id=tenant_id, plan=tenant.plan, features=list(tenant.profile.features))
            return await self.keep_answer(tenant, "plan", answer)

    async def suspend_tenant(self, tenant_id: str, request: SuspendRequest) -> TenantStateResponse:
        """Block the tenant for its users, from their next request on; its data are untouched."""
        async with self.manager.operation(tenant_id, actor="market") as operation:
            tenant = await _settled(operation)
            if before := await self.answer_before(tenant, "suspend", TenantStateResponse):
                return before
            if tenant.status is not TenantStatus.SUSPENDED:
                _require(tenant, TenantStatus.ACTIVE)
                await operation.suspend(request.reason)
            answer = TenantStateResponse(tenant_id=tenant_id, status=TenantState.SUSPENDED)
            return await self.keep_answer(tenant, "suspend", answer)

    async def resume_tenant(self, tenant_id: str) -> TenantStateResponse:
        """Open a suspended tenant again."""
        async with self.manager.operation(tenant_id, actor="market") as operation:
            tenant = await _settled(operation)
            if before := await self.answer_before(tenant, "resume", TenantStateResponse):
                return before
            if tenant.status is not TenantStatus.ACTIVE:
                _require(tenant, TenantStatus.SUSPENDED)
                await operation.resume("resumed")
            answer = TenantStateResponse(tenant_id=tenant_id, status=TenantState.ACTIVE)
            return await self.keep_answer(tenant, "resume", answer)

    async def do_purge(self, tenant_id: str) -> DeletionReceipt:
        """Delete the data of a deactivated tenant for good; its id stays as a tombstone, with the receipt."""
        async with self.manager.operation(tenant_id, actor="market") as operation:
            tenant = await operation.get()
            if not tenant.activation:
                raise TenantNotFound(f"This service has no tenant {tenant_id}.")
            tenant = await operation.settle()
            if tenant.status in {TenantStatus.PROVISIONING, TenantStatus.FAILED}:  # a reactivation that was cut off
                tenant = await operation.abandon("a reactivation that was cut off")
            if tenant.status is not TenantStatus.PURGED:
                _require(tenant, TenantStatus.DEACTIVATED)
                await operation.purge("purged")
        return await self.manager.receipt(tenant_id)

    async def rotate_credentials(self, tenant_id: str) -> CredentialsResponse:
        """Give the administrator a new set-up link; the old one, used or not, and its access key end."""
        tenant = await self.manager.rotate_credentials(tenant_id)
        return CredentialsResponse(tenant_id=tenant_id, admin_credentials=self.links.issue(tenant))

    async def list_tenants(self, query: PageQuery) -> TenantPage:
        """Return a page of the tenants that are there for the market, in the order of their ids."""
        page = await self.manager.inventory(cursor=query.cursor, limit=query.limit)
        return TenantPage(items=[self._summary(tenant) for tenant in page.items], next_cursor=page.next_cursor)

    async def find_tenant_of(self, email: str) -> ActivateResponse | None:
        """Return the open tenant that this address administers, in whatever letter case, as it was activated."""
        tenant = await self.manager.find_tenant_of(email)
        return self.activated(tenant) if tenant is not None else None

    def _on_plan(self, profile: Profile, request: PlanChangeRequest) -> Profile:
        """Return the profile on the new plan: its limits and features, and over them what the request says.

        The limits of the plan before go with it: the new one may have none.
        """
        before, after = (
            plan.limits if (plan := self.manifest.plans.get(name)) is not None else {}
            for name in (profile.plan, request.plan)
        )
        kept = {name: value for name, value in profile.config.items() if before.get(name) != value}
        given = request.config.model_dump(mode="json", exclude_none=True)
        features = tuple(request.features) or self.manifest.features_of(request.plan)
        return replace(profile, plan=request.plan, features=features, config={**kept, **after, **given})

    def _require_room(self, tenant: Tenant, users: int) -> None:
        limit = self.max_users_of(tenant)
        if limit is not None and users > limit:
            raise PlanChangeNotAllowed(
                f"The tenant has {users} users, and the plan {tenant.plan} allows {limit}: remove some first.",
                details={"max_users": limit, "users": users},
            )

    def _summary(self, tenant: Tenant) -> TenantSummary:
        return TenantSummary(
            tenant_id=tenant.tenant_id,
            status=self.state_of(tenant),
            plan=tenant.plan,
            created_at=tenant.created_at,
            reactivation_deadline=tenant.reactivation_deadline,
        )


async def _settled(operation: TenantOperation) -> Tenant:
    """Return the tenant after what was due. Raises ``TenantNotFound`` for one that is not there for the market."""
    tenant = await operation.settle()
    if not tenant.is_known:
        raise TenantNotFound(f"This service has no tenant {tenant.tenant_id}.")
    return tenant


def _require(tenant: Tenant, status: TenantStatus) -> None:
    if tenant.status is not status:
        raise TenantNotActive(f"Tenant {tenant.tenant_id} is {tenant.status}, not {status}.")
