"""Events: what a service tells of its own accord is signed, as Standard Webhooks has it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mt_paas.conformance.checks._people import address
from mt_paas.conformance.registry import Phase, capability, check
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_SIGNED = "signed events (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`)"
_PATIENCE = 1.5  # seconds for an event to come
_MAX_BODY = 1_000_000


@dataclass(slots=True)
class _Listener:
    """Where events arrive: an HTTP server that answers 204, and keeps what came."""

    url: str = ""
    came: asyncio.Queue[tuple[dict[str, str], bytes]] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            pairs = (line.partition(":") for line in head.split("\r\n")[1:] if ":" in line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            length = min(int(headers.get("content-length", "0")), _MAX_BODY)
            self.came.put_nowait((headers, await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # what is no event is not judged here
        finally:
            writer.close()


@asynccontextmanager
async def _listening() -> AsyncIterator[_Listener]:
    listener = _Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    async with server:
        listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
        yield listener


@check("events.signed", needs=[capability("events")], rule=_SIGNED, phase=Phase.EARLY)
async def an_event_is_signed(t: Trial) -> None:
    """An event that reaches the address of the call-back carries an id, a time and the right signature."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    async with _listening() as listener:
        callback = {"events_url": listener.url, "token": secrets.token_urlsafe(24), "secret": f"whsec_{secret}"}
        tenant = await t.tenant(callback=callback, config={"max_users": 2})
        if t.target.declares("users"):  # the likeliest way to an event: a limit is reached
            for _ in range(3):
                await t.call("POST", "users", tenant, json={"email": address(), "name": "Limit"})
        try:
            headers, body = await asyncio.wait_for(listener.came.get(), _PATIENCE)
        except TimeoutError:
            t.skip("no event came here: the service had none, or can not reach this machine")
    sent = {name: headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
    missing = [f"webhook-{name}" for name, value in sent.items() if not value]
    t.require(not missing, f"the event has no {', '.join(missing)}")
    t.require(sent["timestamp"].isdigit(), f"webhook-timestamp is {sent['timestamp']!r}, not in seconds since 1970")
    distance = abs(t.now().timestamp() - int(sent["timestamp"]))
    t.require(distance < 300, f"webhook-timestamp is {distance:.0f} s away from now")
    signed = f"{sent['id']}.{sent['timestamp']}.".encode() + body
    right = base64.b64encode(hmac.new(base64.b64decode(secret), signed, hashlib.sha256).digest()).decode()
    t.require(f"v1,{right}" in sent["signature"].split(), "webhook-signature is not that of the body under the secret")
    try:
        event = json.loads(body)
    except ValueError:
        t.fail("the event is not JSON")
    t.require(isinstance(event, dict) and isinstance(event.get("type"), str), "the event has no type")
