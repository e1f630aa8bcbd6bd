"""What a service tells the market of its own accord, in the background: no call waits for it, and none fails with it.

The same news of one day is the same event, with the same id, and is sent once by a process. News that could not be told
is not kept: what it says can be asked for, and it is told again when it happens again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from mt_paas.core.manager import TenantManager
from mt_paas.errors import MtPaasError
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.events import EventSender
from mt_paas.standard_api.models import Event, EventType
from mt_paas.utils.security import derive_token

__all__ = ["Notices"]

_REMEMBERED = 10_000
_log = logging.getLogger(__name__)


class Notices:
    """Events about the tenants of ``manager``, sent to their call-backs where ``addresses`` allows it."""

    def __init__(self, manager: TenantManager, addresses: AddressPolicy | None = None) -> None:
        self._manager = manager
        self._addresses = addresses
        self._sender: EventSender | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._told: dict[str, None] = {}

    def tell(self, tenant_id: str, kind: EventType, data: dict[str, Any]) -> None:
        """Send an event soon, unless it was sent today or the market never said where to."""
        now = self._manager.clock()
        what = json.dumps([kind, data, now.date().isoformat()], sort_keys=True)
        event_id = f"evt_{derive_token(self._manager.identity.secret, 'event', tenant_id, what)[:32]}"
        if event_id in self._told:
            return
        while len(self._told) >= _REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[event_id] = None
        event = Event(id=event_id, type=kind, timestamp=now, tenant_id=tenant_id, data=data)
        sending = asyncio.ensure_future(self._send(event, tenant_id))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def settle(self) -> None:
        """Wait until nothing is being sent."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def close(self) -> None:
        """Stop sending."""
        for sending in self._sending:
            sending.cancel()
        await self.settle()
        if self._sender is not None:
            await self._sender.__aexit__()
            self._sender = None

    async def _send(self, event: Event, tenant_id: str) -> None:
        try:
            callback = await self._manager.callback(tenant_id)
            if callback is not None:
                await (await self._open()).send(event, callback)
                return
        except MtPaasError as error:
            _log.warning("event %s about tenant %s was not taken: %s", event.type, tenant_id, type(error).__name__)
        self._told.pop(event.id, None)

    async def _open(self) -> EventSender:
        if self._sender is None:
            self._sender = await EventSender(addresses=self._addresses).__aenter__()
        return self._sender
