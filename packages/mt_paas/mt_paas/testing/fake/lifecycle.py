"""The life of a tenant in a fake service: activation to purge, with what the extensions add to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from mt_paas.errors import (
    PlanChangeNotAllowed,
    TenantAlreadyExists,
    TenantNotActive,
    TenantNotFound,
    TenantPurged,
)
from mt_paas.standard_api.handler import PageQuery, call_context
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    CredentialsResponse,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    OperationAccepted,
    PlanChangeRequest,
    PlanChangeResponse,
    StatusResponse,
    StorageFigures,
    SuspendRequest,
    TenantPage,
    TenantState,
    TenantStateResponse,
    TenantSummary,
    UserFigures,
)
from mt_paas.testing.fake.doors import Doors
from mt_paas.testing.fake.events import Events
from mt_paas.testing.fake.operations import Operations
from mt_paas.testing.fake.pages import page_of
from mt_paas.testing.fake.state import FakeTenant

__all__ = ["Lifecycle"]

_RETENTION = timedelta(days=90)

Answer = TypeVar("Answer", bound=ContractModel)


class Lifecycle(Operations, Doors, Events):
    """The calls that make a tenant, change its state, and end it."""

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse | OperationAccepted:
        """Create or bring back a tenant; see ``StandardAPIHandler.activate_tenant``."""
        key, tenant_id = call_context().idempotency_key, request.tenant_id
        asked = ("activate", _comparable(request))
        if running := self.running(tenant_id, asked, key):
            return running
        tenant = self._settled(tenant_id)
        if tenant_id in self.purged:
            raise TenantPurged
        if tenant is not None and ("activate", key) in tenant.answered and key != tenant.idempotency_key:
            return tenant.answer  # of an earlier life, or one that changed nothing
        if tenant is not None and tenant.state is not TenantState.DEACTIVATED:
            is_again = _comparable(tenant.request) == _comparable(request)
            if not is_again and (key is None or tenant.idempotency_key != key):
                raise TenantAlreadyExists
            if is_again and request.callback is not None:
                tenant.request = request
            if key is not None and key != tenant.idempotency_key:
                tenant.deactivate_at = tenant.deadline = None
            return _keep(tenant, "activate", key, tenant.answer)
        if tenant is not None and ("activate", key) in tenant.answered:
            return tenant.answer
        return self.now_or_later(tenant_id, asked, key, lambda: self._activate(request, key))

    async def deactivate_tenant(
        self, tenant_id: str, request: DeactivateRequest
    ) -> DeactivateResponse | OperationAccepted:
        """Close a tenant now or later; see ``StandardAPIHandler.deactivate_tenant``."""
        key, asked = call_context().idempotency_key, ("deactivate", request)
        if running := self.running(tenant_id, asked, key):
            return running
        self._settled(tenant_id)
        if tenant_id in self.purged:
            return DeactivateResponse(status="deactivated", tenant_id=tenant_id, data_preserved=False)
        tenant, now = self.existing(tenant_id), self.clock()
        if before := _before(tenant, "deactivate", key, DeactivateResponse):
            return before
        if tenant.state is TenantState.DEACTIVATED or (request.deactivate_at or now) > now:
            return self._deactivate(tenant, request, key)
        return self.now_or_later(tenant_id, asked, key, lambda: self._deactivate(tenant, request, key))

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report a tenant's state."""
        self.step(tenant_id)
        tenant = self.existing(tenant_id)
        return StatusResponse(
            tenant_id=tenant_id,
            status=tenant.state,
            plan=tenant.request.plan,
            created_at=tenant.created_at,
            users=UserFigures(total=len(tenant.users), active_today=self.active_today(tenant)),
            storage=StorageFigures(used_gb=0.0, limit_gb=tenant.request.config.storage_limit_gb),
        )

    async def change_plan(self, tenant_id: str, request: PlanChangeRequest) -> PlanChangeResponse | OperationAccepted:
        """Put a tenant on another plan, unless it has more users than that one allows."""
        self.refuse_while_running(tenant_id)
        tenant, key = self.open(tenant_id), call_context().idempotency_key
        if before := _before(tenant, "plan", key, PlanChangeResponse):
            return before
        if request.plan not in self.plans:
            raise PlanChangeNotAllowed(f"There is no plan {request.plan}; there are {', '.join(self.plans)}.")
        most = request.config.max_users
        if most is not None and len(tenant.users) > most:
            raise PlanChangeNotAllowed(f"The tenant has {len(tenant.users)} users, and {most} would be allowed.")
        given = request.config.model_dump(exclude_unset=True)
        changes: dict[str, Any] = {
            "plan": request.plan,
            "features": request.features,
            "config": tenant.request.config.model_copy(update=given),
        }
        tenant.request = tenant.request.model_copy(update=changes)
        answer = PlanChangeResponse(tenant_id=tenant_id, plan=request.plan, features=request.features)
        return _keep(tenant, "plan", key, answer)

    async def suspend_tenant(self, tenant_id: str, request: SuspendRequest) -> TenantStateResponse:
        """Block a tenant for its users, data untouched."""
        return self._put_into(tenant_id, TenantState.SUSPENDED)

    async def resume_tenant(self, tenant_id: str) -> TenantStateResponse:
        """Open a suspended tenant again."""
        return self._put_into(tenant_id, TenantState.ACTIVE)

    async def purge_tenant(self, tenant_id: str) -> DeletionReceipt | OperationAccepted:
        """Delete a tenant for good, whatever its state: the data's owner may demand it at any time."""
        self.refuse_while_running(tenant_id)
        self._settled(tenant_id)
        if tenant_id not in self.tenants and tenant_id not in self.purged:
            raise TenantNotFound
        return self.purge(tenant_id)

    async def rotate_credentials(self, tenant_id: str) -> CredentialsResponse:
        """Give the administrator a new set-up link; the old one ends."""
        self.refuse_while_running(tenant_id)
        tenant = self.open(tenant_id)
        self.end_links(tenant_id)
        tenant.credentials = self.set_up_link(tenant_id)
        return CredentialsResponse(tenant_id=tenant_id, admin_credentials=tenant.credentials)

    async def list_tenants(self, query: PageQuery) -> TenantPage:
        """Return a page of all tenants, by id."""
        for tenant_id in list(self.tenants):
            self._settled(tenant_id)
        page, next_cursor = page_of(sorted(self.tenants.items()), query, of="tenants", key=lambda pair: pair[0])
        items = [
            TenantSummary(
                tenant_id=tenant_id,
                status=tenant.state,
                plan=tenant.request.plan,
                created_at=tenant.created_at,
                reactivation_deadline=tenant.deadline if tenant.state is TenantState.DEACTIVATED else None,
            )
            for tenant_id, tenant in page
        ]
        return TenantPage(items=items, next_cursor=next_cursor, total=len(self.tenants))

    async def find_tenant_of(self, email: str) -> ActivateResponse | None:
        """Return the oldest active tenant that ``email`` administers."""
        for tenant_id in list(self.tenants):
            tenant = self._settled(tenant_id)
            if tenant is None or tenant.state is not TenantState.ACTIVE:
                continue
            if tenant.request.admin.email.casefold() == email.casefold():
                return tenant.answer
        return None

    def _activate(self, request: ActivateRequest, key: str | None) -> ActivateResponse:
        tenant_id = request.tenant_id
        tenant = self.tenants.get(tenant_id)
        if tenant is None:
            tenant = self.tenants[tenant_id] = FakeTenant(
                request,
                key,
                created_at=self.clock(),
                access_url=f"{self.public_url}/app/{tenant_id}",
                credentials=self.set_up_link(tenant_id),
            )
            self.furnish(tenant)
        tenant.request, tenant.idempotency_key = request, key
        tenant.state, tenant.deactivate_at, tenant.deadline = TenantState.ACTIVE, None, None
        if not self.user_of(tenant, request.admin.email):
            self.add_user(tenant, request.admin.email, request.admin.name, "admin", active=True)
        self.report_usage(tenant)
        return _keep(tenant, "activate", key, tenant.answer)

    def _deactivate(self, tenant: FakeTenant, request: DeactivateRequest, key: str | None) -> DeactivateResponse:
        tenant_id, now = tenant.request.tenant_id, self.clock()
        at = max(request.deactivate_at or now, now)
        if tenant.state is not TenantState.DEACTIVATED:
            tenant.deactivate_at, tenant.deadline = at, at + _RETENTION
        tenant.preserve_data = request.preserve_data
        is_scheduled = at > now and tenant.state is not TenantState.DEACTIVATED
        self._settled(tenant_id)  # what is due is done now
        answer = DeactivateResponse(
            status="scheduled" if is_scheduled else "deactivated",
            tenant_id=tenant_id,
            data_preserved=request.preserve_data,
            reactivation_deadline=tenant.deadline if request.preserve_data else None,
        )
        return _keep(tenant, "deactivate", key, answer)

    def _put_into(self, tenant_id: str, state: TenantState) -> TenantStateResponse:
        self.refuse_while_running(tenant_id)
        tenant, key = self.existing(tenant_id), call_context().idempotency_key
        if before := _before(tenant, state, key, TenantStateResponse):
            return before
        if tenant.state is TenantState.DEACTIVATED:
            raise TenantNotActive("The tenant is deactivated: only an activation opens it again.")
        tenant.state = state
        return _keep(tenant, state, key, TenantStateResponse(tenant_id=tenant_id, status=state))


def _before(tenant: FakeTenant, kind: str, key: str | None, model: type[Answer]) -> Answer | None:
    answer = tenant.answered.get((kind, key))
    return answer if isinstance(answer, model) else None


def _keep(tenant: FakeTenant, kind: str, key: str | None, answer: Answer) -> Answer:
    """Return ``answer``, kept for when the same call comes once more, late: it must not undo what followed it."""
    if key is not None:
        tenant.answered[kind, key] = answer
    return answer


def _comparable(request: ActivateRequest) -> ActivateRequest:
    """Return what two activations are compared by: a call-back is made anew for every call."""
    return request.model_copy(update={"callback": None})
