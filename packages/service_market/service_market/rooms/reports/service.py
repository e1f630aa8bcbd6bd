"""Use cases of reports: a service is told how to report about a tenant, and what it reports is judged and kept.

A call-back is made once for each activation and kept whole, sealed: the same operation gives the same one, whatever
died in between. One that was given earlier stays good until the service has used a later one, and a day longer, for a
service need not take a new one that comes with a request which it has answered before.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from mt_paas.errors import SignatureInvalid
from mt_paas.standard_api.events import verify_event
from mt_paas.standard_api.models import Callback
from mt_paas.standard_api.models import Event as WireEvent
from mt_paas.standard_api.wire import WireError, read

from service_market.core.crypto import SealBroken
from service_market.core.errors import InvalidBody
from service_market.core.ids import new_id
from service_market.core.log import get_logger
from service_market.core.paging import PageRequest, Slice
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.identity.errors import TokenUnknown
from service_market.rooms.reports.errors import SignatureWrong, TenantForbidden
from service_market.rooms.reports.events import ServiceReported
from service_market.rooms.reports.models import ReportedEvent, TenantCallback
from service_market.rooms.reports.repository import Callbacks, ReportedEvents
from service_market.rooms.tenants import public as tenants
from service_market.rooms.tenants.public import TenantRef

__all__ = ["Reporter", "forget_old", "forget_tenant", "give_callback", "reported", "reporter", "seal_anew", "take"]

TOKEN_PREFIX = "mtc_"  # noqa: S105 - the public prefix of every call-back's token, not a token
_GOOD_AFTER_THE_NEXT = timedelta(days=1)
_SEALED_AT_ONCE = 500
#: What is kept of each tenant: so many events, for so long. Whatever a service sends, the table is bounded.
KEPT_AT_MOST, KEPT_FOR = 1000, timedelta(days=90)
log = get_logger(__name__)


@dataclass(frozen=True)
class Reporter:
    """Who sends an event: the holder of a tenant's call-back."""

    callback: TenantCallback
    tenant: TenantRef


async def give_callback(uow: UnitOfWork, tenant: TenantRef, operation_id: UUID, *, public_url: str) -> Callback:
    """Return how the service is to report about ``tenant``: the same for the same operation, whenever it is asked for.

    ``public_url`` is where services reach the market. One that can not be opened any more is replaced.
    """
    given = await Callbacks(uow).of_operation(operation_id)
    if given is not None:
        try:
            return _opened(uow, given)
        except SealBroken:
            log.warning("a call-back can not be read and is replaced", operation_id=str(operation_id))
    callback = Callback(
        events_url=f"{public_url}/api/v1/callbacks/{tenant.tenant_id}/events",
        token=TOKEN_PREFIX + secrets.token_urlsafe(32),
        secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    )
    callback_id = new_id()
    await Callbacks(uow).put(
        id=callback_id,
        tenant_pk=tenant.pk,
        operation_id=operation_id,
        token_digest=_digest(callback.token),
        sealed_callback=uow.box.seal(callback.model_dump_json(), context=_context(callback_id)),
        created_at=uow.now(),
    )
    return callback


def _opened(uow: UnitOfWork, given: TenantCallback) -> Callback:
    return Callback.model_validate_json(uow.box.open(given.sealed_callback, context=_context(given.id)))


def _context(callback_id: UUID) -> str:
    return f"tenant_callback:{callback_id}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def reporter(uow: UnitOfWork, token: str, tenant_id: str, *, lock: bool = False) -> Reporter:
    """Return who holds a call-back's token, and reports about ``tenant_id``; with ``lock``, nobody ends it meanwhile.

    Raises ``TokenUnknown``, and :class:`TenantForbidden` where the call-back is another tenant's. Tokens have 256
    random bits, so the look-up by digest leaks no timing of the token itself.
    """
    found = None
    if token.startswith(TOKEN_PREFIX):
        found = await Callbacks(uow).by_digest(_digest(token), uow.now(), lock=lock)
    if found is None:
        raise TokenUnknown("This market gave no call-back with this token, or it has ended; use the newest one.")
    tenant = await tenants.find_tenant(uow, found.tenant_pk)
    if tenant.tenant_id != tenant_id:
        raise TenantForbidden(f"This call-back is of {tenant.tenant_id}, and no other tenant's.")
    return Reporter(found, tenant)


async def take(uow: UnitOfWork, token: str, tenant_id: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Keep the event that ``body`` is, byte for byte as it came; False where it came before, and counts once.

    Raises as :func:`reporter` does, :class:`SignatureWrong`, ``InvalidBody``, and :class:`TenantForbidden` where it is
    about another tenant.
    """
    sender = await reporter(uow, token, tenant_id, lock=True)
    callback, tenant = sender.callback, sender.tenant
    try:
        # Real time, not that of the domain's clock, which may be moved: it is the senders' clocks that it is held to.
        event_id = verify_event(_opened(uow, callback).secret, headers, body)
    except SignatureInvalid as error:
        raise SignatureWrong(str(error)) from None
    except SealBroken:
        log.error("a call-back can not be read", tenant_id=tenant.tenant_id)
        raise TokenUnknown(
            "This market lost the secret of this call-back; the next activation gives another."
        ) from None
    try:
        event = read(WireEvent, body)
    except WireError as error:
        faults = [("/".join(["body", *filter(None, fault.path.split("."))]), fault.message) for fault in error.faults]
        raise InvalidBody.of(faults) from None
    if event.id != event_id:
        raise InvalidBody.of([("body/id", "it is not the webhook-id: they are one, so that a repetition is known")])
    if event.tenant_id not in {None, tenant.tenant_id}:
        raise TenantForbidden(f"This call-back is of {tenant.tenant_id}, and the event is about {event.tenant_id}.")
    await Callbacks(uow).note_use(callback, uow.now(), earlier_until=uow.now() + _GOOD_AFTER_THE_NEXT)
    events = ReportedEvents(uow)
    if not await events.add(tenant.pk, event.id, type=event.type, data=event.data, happened_at=event.timestamp):
        return False
    await events.keep_newest(tenant.pk, KEPT_AT_MOST)
    happened_at = min(event.timestamp, uow.now())
    await uow.emit(ServiceReported(tenant.pk, tenant.tenant_id, event.type, event.data, happened_at))
    return True


async def reported(uow: UnitOfWork, tenant_id: str, request: PageRequest) -> Slice[ReportedEvent]:
    """Return a page of what was reported about a tenant, newest first. Raises ``TenantNotFound``."""
    tenant = await tenants.find_tenant(uow, tenant_id)
    return await ReportedEvents(uow).page(tenant.pk, request)


async def forget_old(kernel: Kernel) -> None:
    """Delete events that came long ago, and call-backs that have ended."""
    async with kernel.unit() as uow:
        await ReportedEvents(uow).forget_old(KEPT_FOR)
        await Callbacks(uow).forget_ended(uow.now())


async def seal_anew(kernel: Kernel) -> int:
    """Seal with the present secret key what was sealed with one before it, so that that can go; return how many.

    A call-back lives as long as its tenant; no other sealed value has to outlive a key without anybody's doing.
    """
    count = 0
    while True:
        async with kernel.unit() as uow:
            old = await Callbacks(uow).sealed_with(uow.box.old_key_ids, limit=_SEALED_AT_ONCE)
            for each in old:
                opened = uow.box.open(each.sealed_callback, context=_context(each.id))
                each.sealed_callback = uow.box.seal(opened, context=_context(each.id))
        count += len(old)
        if len(old) < _SEALED_AT_ONCE:
            return count


async def forget_tenant(uow: UnitOfWork, tenant_pk: UUID) -> None:
    """Delete what was reported about a tenant, and its call-backs: nobody can report about it any more."""
    await Callbacks(uow).forget_tenant(tenant_pk)  # waits for an event that is just being taken
    await ReportedEvents(uow).forget_tenant(tenant_pk)
