"""The life of a tenant: its states, the steps that its table allows, and context managers that walk them.

The table is the one of the market's contract ("Subscription and tenant"); market and services share it. It is pure:
:class:`TenantLifecycle` keeps nothing itself, it tells a :class:`TransitionStore` what happened. Whatever happens in
the body of one of its context managers, the store hears how it ended: completed, failed with a reason, or interrupted.
Only a process that dies leaves a tenant in between; ``resume=True`` takes up such a step.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from mt_paas.errors import IllegalTransition, MtPaasError

__all__ = ["TRANSITIONS", "TenantLifecycle", "TenantStatus", "TransitionStore", "check"]

_REASON_LIMIT = 500  # characters: enough for what a service said, too little for a dump

_log = logging.getLogger(__name__)


class TenantStatus(StrEnum):
    """Where a tenant is in its life."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    FAILED = "failed"
    SUSPENDED = "suspended"
    UPDATING = "updating"
    DEACTIVATING = "deactivating"
    DEACTIVATED = "deactivated"
    PURGING = "purging"
    PURGED = "purged"
    CANCELLED = "cancelled"


TRANSITIONS: Mapping[TenantStatus, frozenset[TenantStatus]] = MappingProxyType(
    {
        TenantStatus.PENDING: frozenset({TenantStatus.PROVISIONING, TenantStatus.CANCELLED}),
        TenantStatus.PROVISIONING: frozenset({TenantStatus.ACTIVE, TenantStatus.FAILED}),
        TenantStatus.FAILED: frozenset({TenantStatus.PROVISIONING, TenantStatus.CANCELLED}),
        TenantStatus.ACTIVE: frozenset({TenantStatus.SUSPENDED, TenantStatus.DEACTIVATING, TenantStatus.UPDATING}),
        TenantStatus.UPDATING: frozenset({TenantStatus.ACTIVE}),
        TenantStatus.SUSPENDED: frozenset({TenantStatus.ACTIVE, TenantStatus.DEACTIVATING}),
        TenantStatus.DEACTIVATING: frozenset({TenantStatus.DEACTIVATED}),
        TenantStatus.DEACTIVATED: frozenset({TenantStatus.PROVISIONING, TenantStatus.PURGING}),
        TenantStatus.PURGING: frozenset({TenantStatus.PURGED}),
        TenantStatus.PURGED: frozenset(),
        TenantStatus.CANCELLED: frozenset(),
    }
)


def check(current: TenantStatus, wanted: TenantStatus) -> None:
    """Raise :class:`IllegalTransition` unless a tenant that is ``current`` may become ``wanted``."""
    allowed = TRANSITIONS[current]
    if wanted not in allowed:
        raise IllegalTransition("the tenant", current, wanted, [status for status in TenantStatus if status in allowed])


class TransitionStore(Protocol):
    """Where transitions become rows, with who, why and when. Each call is one transaction and bounds its own time."""

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        """Move the tenant to ``to``. Raises :class:`IllegalTransition` (see :func:`check`) and changes nothing then."""

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Write down that a step failed and left the tenant in ``during``, from where it is tried again."""


class TenantLifecycle:
    """The steps of a tenant's life that take time, as context managers.

    Entering moves the tenant to the state of the step, leaving normally completes the step; an exception, a
    cancellation too, is recorded with its reason and raised again. Two callers that enter for one tenant at once do
    not both get in: the store refuses the second with :class:`IllegalTransition`, and its body does not run.

    The reason of an error of mt_paas is its message. Of any other exception only the type is recorded: its text may
    quote what a database or a service was sent. Steps that take no time (suspend, resume, cancel) need no context
    manager: they are one ``store.transition``.
    """

    def __init__(self, store: TransitionStore) -> None:
        self._store = store

    def provisioning(
        self, tenant_id: str, *, reason: str = "", actor: str = "system", resume: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Make the tenant real, then ``active``; on failure ``failed``. ``resume``: it is ``provisioning`` already."""
        return self._step(
            tenant_id,
            TenantStatus.PROVISIONING,
            done=TenantStatus.ACTIVE,
            failed=TenantStatus.FAILED,
            reason=reason,
            actor=actor,
            resume=resume,
        )

    def updating(
        self, tenant_id: str, *, reason: str = "", actor: str = "system", resume: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Change an active tenant; ``active`` again, as before on failure. ``resume``: it is ``updating`` already."""
        return self._step(
            tenant_id,
            TenantStatus.UPDATING,
            done=TenantStatus.ACTIVE,
            failed=TenantStatus.ACTIVE,
            reason=reason,
            actor=actor,
            resume=resume,
        )

    def deactivating(
        self, tenant_id: str, *, reason: str = "", actor: str = "system", resume: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Close the tenant, then ``deactivated``; on failure it stays ``deactivating``, to be resumed."""
        return self._step(
            tenant_id,
            TenantStatus.DEACTIVATING,
            done=TenantStatus.DEACTIVATED,
            reason=reason,
            actor=actor,
            resume=resume,
        )

    def purging(
        self, tenant_id: str, *, reason: str = "", actor: str = "system", resume: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Delete the tenant's data, then ``purged``; on failure it stays ``purging``, to be resumed."""
        return self._step(
            tenant_id, TenantStatus.PURGING, done=TenantStatus.PURGED, reason=reason, actor=actor, resume=resume
        )

    @asynccontextmanager
    async def _step(
        self,
        tenant_id: str,
        during: TenantStatus,
        *,
        done: TenantStatus,
        failed: TenantStatus | None = None,
        reason: str,
        actor: str,
        resume: bool,
    ) -> AsyncIterator[None]:
        interruption = None
        if not resume:
            interruption = await _to_its_end(self._store.transition(tenant_id, during, reason=reason, actor=actor))
        try:
            if interruption is not None:
                raise interruption  # noqa: TRY301 - a cancellation while entering fails the step like one in its body
            yield
        except (Exception, asyncio.CancelledError) as error:
            interruption = await self._record(tenant_id, during, failed, error, actor)
            if interruption is not None:
                raise interruption from error
            raise
        interruption = await _to_its_end(self._store.transition(tenant_id, done, reason=reason, actor=actor))
        if interruption is not None:
            raise interruption

    async def _record(
        self, tenant_id: str, during: TenantStatus, failed: TenantStatus | None, error: BaseException, actor: str
    ) -> asyncio.CancelledError | None:
        """Tell the store of a failure. The store's own failure is logged: it must not hide ``error``."""
        reason = _reason(error)
        if failed is None:
            recording = self._store.record_failure(tenant_id, during, reason=reason, actor=actor)
        else:
            recording = self._store.transition(tenant_id, failed, reason=reason, actor=actor)
        try:
            return await _to_its_end(recording)
        except Exception as also:  # noqa: BLE001 - whatever the store raises, the first error is the one to tell
            _log.error("tenant %s failed while %s, and recording it: %s", tenant_id, during, type(also).__name__)
            error.add_note(f"this failure of tenant {tenant_id} could not be recorded: {type(also).__name__}")
            return None


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "interrupted: the work was cancelled"
    if isinstance(error, MtPaasError):
        return str(error)[:_REASON_LIMIT]
    return type(error).__name__


async def _to_its_end(work: Coroutine[None, None, None]) -> asyncio.CancelledError | None:
    """Await ``work`` to its end whatever happens to this task; return the cancellation that came meanwhile.

    A transition that is cut off may have been committed or not; this keeps the answer known.
    """
    task = asyncio.ensure_future(work)
    interruption = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            interruption = cancelled
    error = task.exception()
    if error is not None and interruption is not None:
        raise interruption from error
    if error is not None:
        raise error
    return interruption
