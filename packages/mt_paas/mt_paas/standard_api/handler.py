"""What a service implements: :class:`StandardAPIHandler`, one method for each call of the contract.

Subclass it and override the required four (``health`` has a ready answer). An optional operation that is not
overridden answers 501 ``not_implemented``. A method says no by raising a
:class:`~mt_paas.errors.ContractError`; everything else that it raises becomes a 500 without its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mt_paas.errors import NotImplementedByService
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    Costs,
    CredentialsResponse,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    Health,
    HealthStatus,
    Operation,
    OperationAccepted,
    PlanChangeRequest,
    PlanChangeResponse,
    ResourcePage,
    SettingsResponse,
    SettingsUpdate,
    SsoRequest,
    SsoResponse,
    Stats,
    StatusResponse,
    SuspendRequest,
    TenantPage,
    TenantStateResponse,
    TopUsers,
    UsageResponse,
    User,
    UserCreate,
    UserPage,
    UserStatus,
    UserUpdate,
)

__all__ = [
    "CallContext",
    "PageQuery",
    "ResourceQuery",
    "StandardAPIHandler",
    "UserQuery",
    "call_context",
    "in_call",
]


@dataclass(frozen=True, slots=True)
class CallContext:
    """What came with a call beside its body: ids for logs, and the caller's ``Idempotency-Key``."""

    request_id: str
    idempotency_key: str | None = None
    traceparent: str | None = None


_current: ContextVar[CallContext | LateContext | None] = ContextVar("mt_paas_call", default=None)
#: Make a context what :func:`call_context` returns, and return what ``end_call`` takes to restore what there was.
begin_call = _current.set
end_call = _current.reset


def call_context() -> CallContext:
    """Return the context of the contract call that is being handled; outside of one, an empty context."""
    current = _current.get() or CallContext(request_id="-")
    return current if isinstance(current, CallContext) else current()


@contextmanager
def in_call(context: CallContext) -> Iterator[None]:
    """Make ``context`` what :func:`call_context` returns, in this task and in those that it starts."""
    token = begin_call(context)
    try:
        yield
    finally:
        end_call(token)


class LateContext:
    """A context that ``make`` returns for ``source``, when somebody asks for it first.

    Every tenant's request has one, and few ask: it costs as little as can be.
    """

    __slots__ = ("_made", "_make", "_source")

    def __init__(self, make: Callable[[Any], CallContext], source: object) -> None:
        self._make = make
        self._source = source
        self._made: CallContext | None = None

    def __call__(self) -> CallContext:
        """Return the context; the same each time."""
        if self._made is None:
            self._made = self._make(self._source)
        return self._made


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for: up to ``limit`` items (1 to 500) after ``cursor``, a cursor of the handler's own."""

    cursor: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class UserQuery(PageQuery):
    """Which users: ``q`` is part of a name or an address, in any case; None is no filter."""

    q: str | None = None
    role: str | None = None
    status: UserStatus | None = None


@dataclass(frozen=True, slots=True)
class ResourceQuery(PageQuery):
    """Which resources: those of ``type``, such as ``course``; None is all of them."""

    type: str | None = None


class StandardAPIHandler:
    """The Standard API of one service. All methods are coroutines; subclasses override what they offer.

    ``activate_tenant``, ``deactivate_tenant``, ``change_plan`` and ``purge_tenant`` may return an
    :class:`~mt_paas.standard_api.models.OperationAccepted` where the manifest declares ``async_operations``.
    """

    #: What ``health`` reports; ``create_standard_router`` fills it from the manifest when there is one.
    service_version: str = "0"

    # Version 1: the life of a tenant

    async def health(self) -> Health:
        """Report how the service is. Called without a key, once a minute: keep it quick."""
        return Health(status=HealthStatus.HEALTHY, version=self.service_version, timestamp=datetime.now(UTC))

    async def activate_tenant(self, request: ActivateRequest) -> ActivateResponse | OperationAccepted:
        """Create the tenant, or bring a deactivated one back with its data.

        The same request again answers the same result. Raises ``TenantAlreadyExists`` for another body,
        ``TenantPurged`` past the deadline, ``OperationInProgress`` while another lifecycle call runs.
        """
        raise NotImplementedByService

    async def deactivate_tenant(
        self, tenant_id: str, request: DeactivateRequest
    ) -> DeactivateResponse | OperationAccepted:
        """Close the tenant for its users, now or at ``deactivate_at``; keep or delete its data. Idempotent."""
        raise NotImplementedByService

    async def get_tenant_status(self, tenant_id: str) -> StatusResponse:
        """Report the tenant's state and figures. Raises ``TenantNotFound``."""
        raise NotImplementedByService

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report what the tenant used in ``period`` (resolved: ``YYYY-MM`` or ``YYYY-MM-DD``, UTC). Optional."""
        raise NotImplementedByService

    # Version 2: dashboard, users, resources, settings

    async def get_tenant_stats(self, tenant_id: str, period: str) -> Stats:
        """Report the figures of a dashboard for ``period``, resolved."""
        raise NotImplementedByService

    async def get_tenant_costs(self, tenant_id: str, period: str) -> Costs:
        """Report what the tenant cost in ``period``, resolved."""
        raise NotImplementedByService

    async def get_top_users(self, tenant_id: str, period: str, limit: int) -> TopUsers:
        """Report the ``limit`` most active users of ``period``, most active first."""
        raise NotImplementedByService

    async def list_users(self, tenant_id: str, query: UserQuery) -> UserPage:
        """Return a page of the tenant's users. Raises ``InvalidQuery`` for a cursor that is not this list's."""
        raise NotImplementedByService

    async def create_user(self, tenant_id: str, request: UserCreate) -> User:
        """Add a user. Raises ``UserAlreadyExists``, and ``UserLimitReached`` at ``config.max_users``."""
        raise NotImplementedByService

    async def update_user(self, tenant_id: str, user_id: str, request: UserUpdate) -> User:
        """Change what ``request`` names. Raises ``UserNotFound``."""
        raise NotImplementedByService

    async def delete_user(self, tenant_id: str, user_id: str) -> None:
        """Remove a user. Raises ``UserNotFound``."""
        raise NotImplementedByService

    async def list_resources(self, tenant_id: str, query: ResourceQuery) -> ResourcePage:
        """Return a page of what the tenant's users made or work with."""
        raise NotImplementedByService

    async def get_settings(self, tenant_id: str) -> SettingsResponse:
        """Return the tenant's settings and limits."""
        raise NotImplementedByService

    async def update_settings(
        self, tenant_id: str, request: SettingsUpdate, expected_version: str | None
    ) -> SettingsResponse:
        """Replace the settings, if their version is still ``expected_version`` (None: whatever it is).

        Raises ``VersionConflict`` when it is not: of two writers with the same version one is refused.
        """
        raise NotImplementedByService

    # Extensions: what the manifest declares beyond the two versions

    async def list_tenants(self, query: PageQuery) -> TenantPage:
        """Return a page of every tenant that the service has, purged ones excepted (extension ``inventory``)."""
        raise NotImplementedByService

    async def get_operation(self, operation_id: str) -> Operation:
        """Report on an operation that was answered with 202. Raises ``OperationNotFound``."""
        raise NotImplementedByService

    async def cancel_operation(self, operation_id: str) -> Operation:
        """Undo an operation under way; it ends as failed, with the error ``cancelled``, and leaves nothing behind.

        Raises ``OperationNotFound``, and ``OperationNotCancellable`` when it has ended.
        """
        raise NotImplementedByService

    async def change_plan(self, tenant_id: str, request: PlanChangeRequest) -> PlanChangeResponse | OperationAccepted:
        """Put the tenant on another plan; its data stay. Raises ``PlanChangeNotAllowed``."""
        raise NotImplementedByService

    async def suspend_tenant(self, tenant_id: str, request: SuspendRequest) -> TenantStateResponse:
        """Block the tenant for its users, its data untouched. Idempotent. Raises ``TenantNotActive``."""
        raise NotImplementedByService

    async def resume_tenant(self, tenant_id: str) -> TenantStateResponse:
        """Open a suspended tenant again. Idempotent. Raises ``TenantNotActive``."""
        raise NotImplementedByService

    async def purge_tenant(self, tenant_id: str) -> DeletionReceipt | OperationAccepted:
        """Delete the tenant's data for good, and answer with the receipt; asked again, with the same one."""
        raise NotImplementedByService

    async def export_tenant(self, tenant_id: str) -> OperationAccepted:
        """Begin to export the tenant's data; the operation's result is an ``ExportResult``."""
        raise NotImplementedByService

    async def rotate_credentials(self, tenant_id: str) -> CredentialsResponse:
        """Give the administrator new credentials; the old ones end."""
        raise NotImplementedByService

    async def create_sso_link(self, tenant_id: str, request: SsoRequest) -> SsoResponse:
        """Return a link that logs the user in once, within 60 seconds.

        Raises ``InvalidBody`` for a ``return_to`` on a foreign host.
        """
        raise NotImplementedByService

    async def find_tenant_of(self, email: str) -> ActivateResponse | None:
        """Return the active tenant that ``email`` administers, as its activation was answered; None when it has none.

        Asked by the older auto-provision webhook, which gives the tenant out only where the market vouches for the
        address, whatever its letter case.
        """
        return None
