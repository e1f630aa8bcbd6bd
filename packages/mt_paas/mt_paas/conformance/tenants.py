"""The tenants that a run makes, and the promise that none of them is left behind.

Every id that the service was ever asked to activate is remembered, also where it should have refused. At the end, also
after Ctrl-C, each is deactivated without keeping its data, and deleted where the service declares that.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mt_paas.conformance.expect import Answer, Blocked, Violation
from mt_paas.conformance.trial import Caller, Run
from mt_paas.standard_api.models import TENANT_ID_PATTERN

__all__ = ["PREFIX", "Attempt", "Tenant", "Tenants"]

PREFIX = "mtpaas-test-"
#: What is tried when no manifest tells which plans there are.
_LIKELY_PLANS = ("basic", "standard", "premium", "free", "pro")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_AT_ONCE = 4
_TRIES = 20  # of a clean-up that meets another lifecycle call


@dataclass(frozen=True, slots=True)
class Tenant:
    """An active tenant: its id, the body that activated it, and what that was answered."""

    id: str
    body: dict[str, Any]
    answer: Answer


@dataclass(slots=True)
class Attempt:
    """An id, percent-encoded, that the service was asked to activate. ``last`` is what it said of it at the end."""

    segment: str
    was_granted: bool = False
    is_shared: bool = False
    last: Answer | Violation | None = None


@dataclass(slots=True)
class Tenants:
    """Makes tenants, shares them among checks, and removes them."""

    run: Run
    attempts: dict[str, Attempt] = field(default_factory=dict)
    caller: Caller = field(init=False)
    has_activated: bool = False
    refusal: Violation | None = None
    _plan: str | None = None
    _shared: dict[str, asyncio.Task[Tenant]] = field(default_factory=dict)
    _removals: list[asyncio.Task[None]] = field(default_factory=list)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _idle: list[Tenant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.caller = Caller(self.run)

    @property
    def plans(self) -> tuple[str, ...]:
        """The plans that are known to exist, the one that tenants get first."""
        known = self.run.target.plans
        plan = self._plan or (known or _LIKELY_PLANS)[0]
        return (plan, *(name for name in known if name != plan))

    @property
    def obstacle(self) -> Violation | None:
        """Why no tenant could be activated; None where one could be, and where none was asked for."""
        return None if self.has_activated else self.refusal

    def new_id(self) -> str:
        """Return an id that nobody has."""
        return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(12))

    def body(self, tenant_id: str, **changes: Any) -> dict[str, Any]:
        """Return the body of an activation, with ``changes``."""
        plan = changes.get("plan", self.plans[0])
        features = self.run.target.features.get(plan, ()) if isinstance(plan, str) else ()
        return {
            "tenant_id": tenant_id,
            "tenant_name": "적합성 시험 (conformance test)",
            "plan": plan,
            "features": list(features),
            "config": {"max_users": 50, "storage_limit_gb": 10},
            "admin": {"email": f"admin-{secrets.token_hex(6)}@example.org", "name": "시험 관리자"},
            **changes,
        }

    def expect(self, caller: Caller, tenant_id: str, body: Any, *, is_encoded: bool = False) -> Attempt:
        """Remember that ``caller`` asks the service to activate a tenant, by its address and by its body."""
        named = body.get("tenant_id") if isinstance(body, dict) else None
        if isinstance(named, str) and re.fullmatch(TENANT_ID_PATTERN, named):
            self._attempt(caller, named)
        return self._attempt(caller, tenant_id if is_encoded else quote(tenant_id, safe=""))

    def _attempt(self, caller: Caller, segment: str) -> Attempt:
        if segment not in self.attempts:
            self.attempts[segment] = Attempt(segment, is_shared=caller is self.caller)
            caller.asked.append(segment)
        return self.attempts[segment]

    def remember(self, tenant_id: str) -> None:
        """Remember a tenant that the service made under an id of its own."""
        self.attempts.setdefault(quote(tenant_id, safe=""), Attempt(quote(tenant_id, safe=""), was_granted=True))

    async def shared(self, name: str) -> Tenant:
        """Return the tenant ``name`` that checks share. Raises ``Blocked`` when it could not be activated."""
        if name != "a":
            await self.shared("a")
        if name not in self._shared:
            self._shared[name] = asyncio.create_task(self._made(self.caller))
        try:
            return await asyncio.shield(self._shared[name])
        except Violation as violation:
            self.refusal = violation
            raise Blocked("lifecycle.activate", violation) from None

    async def fresh(self, caller: Caller, **changes: Any) -> Tenant:
        """Return a new active tenant. Raises ``Blocked`` when it could not be activated."""
        await self.shared("a")  # where nothing can be activated, one try is enough
        try:
            return await self._made(caller, **changes)
        except Violation as violation:
            raise Blocked("lifecycle.activate", violation) from None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Tenant]:
        """Lend a tenant that nobody else has meanwhile, new or given back by a check that left it active.

        A tenant costs a service much, and most checks that change one put it back. One that a check failed with is not
        lent again. Raises ``Blocked`` when none could be activated.
        """
        tenant = self._idle.pop() if self._idle else await self.fresh(self.caller)
        yield tenant
        self._idle.append(tenant)

    def discard(self, caller: Caller) -> None:
        """Begin to remove what ``caller`` made for itself: it has ended, and nobody else knows of its tenants."""
        for attempt in (self.attempts[segment] for segment in caller.asked):
            if not attempt.is_shared:
                self._removals.append(asyncio.create_task(self._remove(attempt)))
        caller.asked.clear()

    async def remove_all(self) -> None:
        """Remove every tenant, and note what the service then says of those that it had granted."""
        under_way = [*self._shared.values(), *self.run.stories.values()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.gather(*self._removals, return_exceptions=True)
        await asyncio.gather(*[self._remove(attempt) for attempt in self.attempts.values() if attempt.last is None])

    async def _remove(self, attempt: Attempt) -> None:
        async with self._gate:
            try:
                attempt.last = await self._removed(attempt)
            except Violation as violation:
                attempt.last = violation

    async def _made(self, caller: Caller, **changes: Any) -> Tenant:
        plans = [self.plans[0]] if self.run.target.plans or self._plan or "plan" in changes else list(_LIKELY_PLANS)
        tenant_id = self.new_id()
        while True:
            body = self.body(tenant_id, **({"plan": plans.pop(0)} | changes))
            answer = await caller.call("POST", "tenant_activate", tenant_id, json=body)
            if answer.status == 422 and plans and b"invalid_plan" in answer.body:
                continue
            answer.expect(200)
            self._plan = self._plan or body["plan"]
            return Tenant(tenant_id, body, answer)

    async def _removed(self, attempt: Attempt) -> Answer:
        """Remove one tenant; return what the service says of it, or that it has none."""
        body: dict[str, Any] = {"reason": "admin_request", "preserve_data": False}
        answer = await self._until_free(attempt, "POST", "tenant_deactivate", json=body)
        if answer.status < 300:
            attempt.was_granted = True
        if not attempt.was_granted:
            return answer
        if self.run.target.declares("purge"):
            await self._until_free(attempt, "DELETE", "purge")
        return await self.caller.call("GET", "tenant_status", attempt.segment, is_encoded=True)

    async def _until_free(self, attempt: Attempt, method: str, endpoint: str, *, json: Any = None) -> Answer:
        """Call until no other lifecycle call for the tenant is in the way."""
        left = _TRIES
        while True:
            answer = await self.caller.call(method, endpoint, attempt.segment, json=json, is_encoded=True)
            left -= 1
            if not left or answer.status != 409 or b"operation_in_progress" not in answer.body:
                return answer
            await asyncio.sleep(0.1)
