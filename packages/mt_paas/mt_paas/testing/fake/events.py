"""What a fake service tells the market of its own accord: events, signed as Standard Webhooks has it.

An event goes to the call-back that the activation of its tenant gave, in a task of its own: no call waits for the
market. It is posted up to three times with the same ``webhook-id``, so that a market that was away still hears of it.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import cached_property
from typing import Any

import httpx2

from mt_paas.errors import UserLimitReached
from mt_paas.standard_api.events import signed_headers
from mt_paas.standard_api.models import Callback, Event
from mt_paas.testing.fake.state import FakeState, FakeTenant

__all__ = ["Events"]

_ATTEMPTS = 3
_TIMEOUT = 5.0  # seconds


class Events(FakeState):
    """The events of a service, and the checks that cause them."""

    @cached_property
    def events(self) -> list[Event]:
        """Every event that was told, in order."""
        return []

    @cached_property
    def _posting(self) -> set[asyncio.Task[None]]:
        return set()

    def report(self, tenant: FakeTenant, kind: str, data: dict[str, Any]) -> None:
        """Tell the market something about a tenant; nothing where its activation gave no call-back."""
        callback = tenant.request.callback
        if callback is None:
            return
        event = Event(
            id=f"evt_{secrets.token_hex(12)}",
            type=kind,
            timestamp=self.clock(),
            tenant_id=tenant.request.tenant_id,
            data=data,
        )
        self.events.append(event)
        task = asyncio.create_task(self._post(callback, event))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    def report_usage(self, tenant: FakeTenant) -> None:
        """Tell the market what the tenant used this month."""
        month = self.clock().strftime("%Y-%m")
        calls = sum(number for day, number in tenant.calls.items() if day.isoformat().startswith(month))
        self.report(tenant, "usage.reported", {"period": month, "usage": {"api_calls": calls}})

    def require_room(self, tenant: FakeTenant) -> None:
        """Raise ``UserLimitReached``, and tell the market, when the tenant has as many users as it may have."""
        most = tenant.request.config.max_users
        if most is not None and len(tenant.users) >= most:
            self.report(tenant, "tenant.limit_reached", {"limit": "max_users", "value": most})
            raise UserLimitReached(f"The tenant has {len(tenant.users)} of {most} users.")

    async def events_posted(self) -> None:
        """Wait until the market has every event, or would not take it."""
        while self._posting:
            await asyncio.wait(set(self._posting))

    async def stop_posting(self) -> None:
        """Give up what is still under way."""
        for task in self._posting:
            task.cancel()
        await self.events_posted()

    async def _post(self, callback: Callback, event: Event) -> None:
        body = event.model_dump_json(exclude_none=True).encode()
        headers = {
            "Authorization": f"Bearer {callback.token}",
            "Content-Type": "application/json",
            **signed_headers(callback.secret, event.id, self.clock(), body),
        }
        is_plain = callback.events_url.startswith("http:")  # then nothing is verified, and no certificates are read
        async with httpx2.AsyncClient(trust_env=False, timeout=_TIMEOUT, verify=not is_plain) as http:
            for _ in range(_ATTEMPTS):
                try:
                    answer = await http.post(callback.events_url, content=body, headers=headers)
                except httpx2.TransportError:
                    continue
                if answer.status_code < 500:
                    return
