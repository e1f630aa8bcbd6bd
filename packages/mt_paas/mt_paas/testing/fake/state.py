"""What a fake service knows: its tenants, whatever belongs to one, and the moment that it is.

Everything is in memory and may be read and changed by tests. Nothing here waits, so one call is done before the next
begins: that is all the locking that a service in one process needs.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from mt_paas.errors import TenantNotActive, TenantNotFound
from mt_paas.standard_api.handler import StandardAPIHandler
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    AdminCredentials,
    ContractModel,
    DeletionReceipt,
    Resource,
    TenantState,
    User,
    UserStatus,
)
from mt_paas.utils.security import digest_token, mint_token

__all__ = ["UNKNOWN_ADDRESS", "FakeState", "FakeTenant", "Link", "Use", "called_at"]

UNKNOWN_ADDRESS = "http://fake.invalid"  # what a service says of itself that nobody has called yet

_address: ContextVar[str] = ContextVar("mt_paas_fake_address", default=UNKNOWN_ADDRESS)

# What the users of a new tenant find, and what is done for each user who comes, so that no figure is empty.
_RESOURCES = (("course", "First steps"), ("course", "Questions and answers"), ("discussion", "Welcome"))
_WELCOME = (("ai_chat", "small", "12.50"), ("quiz", "large", "40.05"))


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that was done with the service, and what it cost. ``user_id`` is None once the user is deleted."""

    at: datetime
    user_id: str | None
    feature: str
    model: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody who has a link may see: a link of one kind to one tenant, until a moment."""

    kind: str
    tenant_id: str
    expires_at: datetime
    payload: Any = None


@dataclass
class FakeTenant:
    """A tenant of a fake service. ``data`` is what its users would have written."""

    request: ActivateRequest
    idempotency_key: str | None
    created_at: datetime
    access_url: str
    credentials: AdminCredentials
    state: TenantState = TenantState.ACTIVE
    deactivate_at: datetime | None = None
    preserve_data: bool = True
    deadline: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=lambda: {"language": "ko", "notifications": True})
    settings_version: int = 1
    uses: list[Use] = field(default_factory=list)
    calls: Counter[date] = field(default_factory=Counter)
    answered: dict[tuple[str, str | None], ContractModel] = field(
        default_factory=dict
    )  # by kind of call and Idempotency-Key

    @property
    def answer(self) -> ActivateResponse:
        """What an activation of this tenant is answered with."""
        return ActivateResponse(
            tenant_id=self.request.tenant_id, access_url=self.access_url, admin_credentials=self.credentials
        )


@contextmanager
def called_at(address: str) -> Iterator[None]:
    """Make ``address`` the one under which the service is reached, for the links in its answers."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


class FakeState(StandardAPIHandler):
    """The ground that every part of a fake service stands on."""

    def __init__(self, *, plans: tuple[str, ...], clock: Callable[[], datetime], public_url: str | None) -> None:
        self.plans = plans
        self.clock = clock
        self.tenants: dict[str, FakeTenant] = {}
        self.purged: dict[str, DeletionReceipt] = {}
        self.links: dict[str, Link] = {}
        self._public_url = public_url
        self._numbers = count(1)

    @property
    def public_url(self) -> str:
        """Where people reach the service: what it was told, else the address at which it was just called."""
        return (self._public_url or _address.get()).rstrip("/")

    def existing(self, tenant_id: str) -> FakeTenant:
        """Return the tenant as it is at this moment. Raises ``TenantNotFound``."""
        tenant = self._settled(tenant_id)
        if tenant is None:
            raise TenantNotFound
        return tenant

    def open(self, tenant_id: str) -> FakeTenant:
        """Return a tenant whose data may be changed: an active or a suspended one. Raises ``TenantNotActive``."""
        tenant = self.existing(tenant_id)
        if tenant.state is TenantState.DEACTIVATED:
            raise TenantNotActive("The tenant is deactivated: activate it first.")
        return tenant

    def purge(self, tenant_id: str) -> DeletionReceipt:
        """Delete all that there is of a tenant, and return the receipt; the same one from then on."""
        tenant = self.tenants.pop(tenant_id, None)
        if tenant is not None:
            self.end_links(tenant_id)
            self.purged[tenant_id] = DeletionReceipt(
                receipt_id=f"receipt_{secrets.token_hex(8)}",
                tenant_id=tenant_id,
                purged_at=self.clock(),
                deleted=["users", "resources", "settings", "usage"],
            )
        return self.purged[tenant_id]

    def new_link(self, kind: str, tenant_id: str, lifetime: timedelta, payload: Any = None) -> tuple[str, datetime]:
        """Return the address of a new link, and when it ends. It is kept by its digest alone."""
        token, expires_at = mint_token(""), self.clock() + lifetime
        self.links[digest_token(token)] = Link(kind, tenant_id, expires_at, payload)
        return f"{self.public_url}/{kind}/{token}", expires_at

    def end_links(self, tenant_id: str, *kinds: str) -> None:
        """End the links of a tenant: those of ``kinds``, or all of them."""
        ended = [
            key for key, link in self.links.items() if link.tenant_id == tenant_id and (link.kind in kinds or not kinds)
        ]
        for key in ended:
            del self.links[key]

    def user_of(self, tenant: FakeTenant, email: str) -> User | None:
        """Return the tenant's user with this address, in whatever case it is written; None when there is none."""
        return next((user for user in tenant.users.values() if user.email.casefold() == email.casefold()), None)

    def add_user(self, tenant: FakeTenant, email: str, name: str | None, role: str | None, *, active: bool) -> User:
        """Give the tenant a user, who is welcomed by the service's features: uses that figures can be made of."""
        now = self.clock()
        user = User(
            id=self._new_id("u"),
            email=email,
            name=name or email.partition("@")[0],
            role=role or "member",
            status=UserStatus.ACTIVE if active else UserStatus.INVITED,
            created_at=now,
        )
        tenant.users[user.id] = user
        welcome = _WELCOME if active else _WELCOME[:1]
        tenant.uses += [Use(now, user.id, feature, model, Decimal(cost)) for feature, model, cost in welcome]
        return user

    def furnish(self, tenant: FakeTenant) -> None:
        """Give a new tenant what its users find on their first day."""
        now = self.clock()
        for kind, name in _RESOURCES:
            resource = Resource(
                id=self._new_id("r"), type=kind, name=name, created_at=now, updated_at=now, metadata={"sample": True}
            )
            tenant.resources[resource.id] = resource

    def active_today(self, tenant: FakeTenant) -> int:
        """Return how many users logged in today, in UTC."""
        today = self.clock().astimezone(UTC).date()
        return sum(
            user.last_active_at is not None and user.last_active_at.astimezone(UTC).date() == today
            for user in tenant.users.values()
        )

    def _new_id(self, kind: str) -> str:
        """Return an id that no other thing of this service has. Ids of one kind sort by age."""
        return f"{kind}_{next(self._numbers):08d}"

    def _settled(self, tenant_id: str) -> FakeTenant | None:
        """Return the tenant after what is due was done: a schedule that has come is carried out, a deadline too."""
        tenant, now = self.tenants.get(tenant_id), self.clock()
        if tenant is None:
            return None
        if tenant.deactivate_at is not None and tenant.deactivate_at <= now:
            tenant.state, tenant.deactivate_at = TenantState.DEACTIVATED, None
        if tenant.state is TenantState.DEACTIVATED and (
            not tenant.preserve_data or (tenant.deadline is not None and tenant.deadline <= now)
        ):
            self.purge(tenant_id)
            return None
        return tenant
