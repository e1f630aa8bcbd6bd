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
from typing import Any

from mt_paas.conformance.checks._people import address
from mt_paas.conformance.registry import Phase, capability, check
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_SIGNED = "signed events (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`)"
_SCOPED = "a service that must report back gets a scoped call-back token in `activate`, valid for its own tenant alone"
_PATIENCE = 1.5  # seconds for events to come
_MAX_BODY = 1_000_000
_ENOUGH = 2  # events of a tenant


@dataclass(slots=True)
class _Sent:
    """One event as it came."""

    headers: dict[str, str]
    body: bytes

    def without(self, t: Trial, *names: str) -> str:
        """Return what the event tells, but for the members ``names``."""
        members = {name: value for name, value in self.members(t).items() if name not in names}
        return json.dumps(members, sort_keys=True)

    def members(self, t: Trial) -> dict[str, Any]:
        """Return the event; raise ``Violation`` if it is no JSON object."""
        try:
            event = json.loads(self.body)
        except ValueError:
            t.fail("the event is not JSON")
        if not isinstance(event, dict):
            t.fail("the event is no JSON object")
        return event


@dataclass(slots=True)
class _Listener:
    """Where the events of one tenant arrive: a server that refuses the first ``refusals`` of them."""

    refusals: int = 0
    url: str = ""
    secret: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    sent: list[_Sent] = field(default_factory=list)
    has_enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def callback(self) -> dict[str, str]:
        """What the activation of the tenant carries."""
        return {"events_url": self.url, "token": secrets.token_urlsafe(24), "secret": f"whsec_{self.secret}"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            pairs = (line.partition(":") for line in head.split("\r\n")[1:] if ":" in line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            length = min(int(headers.get("content-length", "0")), _MAX_BODY)
            self.sent.append(_Sent(headers, await reader.readexactly(length)))
            status = "204 No Content" if len(self.sent) > self.refusals else "503 Service Unavailable"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            if len(self.sent) >= _ENOUGH:
                self.has_enough.set()
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # what is no event is not judged here
        finally:
            writer.close()


@asynccontextmanager
async def _told(t: Trial, listener: _Listener) -> AsyncIterator[str]:
    """Make a tenant that tells ``listener`` its events, and reach its limit of users; yield its id."""
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    async with server:
        listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
        tenant = await t.tenant(callback=listener.callback, config={"max_users": 2})
        if t.target.declares("users"):  # the likeliest way to an event: a limit is reached
            for _ in range(3):
                await t.call("POST", "users", tenant, json={"email": address(), "name": "Limit"})
        yield tenant.id


async def _events(t: Trial, listener: _Listener) -> list[_Sent]:
    """Return what came, as soon as it is enough; skip where nothing comes."""
    try:
        await asyncio.wait_for(listener.has_enough.wait(), _PATIENCE)
    except TimeoutError:
        if not listener.sent:
            t.skip("no event came here: the service had none, or can not reach this machine")
    return list(listener.sent)


def _judge_signature(t: Trial, sent: _Sent, secret: str) -> None:
    told = {name: sent.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
    missing = [f"webhook-{name}" for name, value in told.items() if not value]
    t.require(not missing, f"the event has no {', '.join(missing)}")
    t.require(told["timestamp"].isdigit(), f"webhook-timestamp is {told['timestamp']!r}, not in seconds since 1970")
    distance = abs(t.now().timestamp() - int(told["timestamp"]))
    t.require(distance < 300, f"webhook-timestamp is {distance:.0f} s away from now")
    signed = f"{told['id']}.{told['timestamp']}.".encode() + sent.body
    right = base64.b64encode(hmac.new(base64.b64decode(secret), signed, hashlib.sha256).digest()).decode()
    t.require(f"v1,{right}" in told["signature"].split(), "webhook-signature is not that of the body under the secret")


def _judge_ids(t: Trial, came: list[_Sent]) -> None:
    """Judge the ids of what came to one address, of which the first was not taken and may have come again."""
    told: dict[str, set[str]] = {}
    for sent in came:  # an event that is sent again may tell another time
        told.setdefault(sent.headers.get("webhook-id", ""), set()).add(sent.without(t, "id", "timestamp"))
    for event_id, contents in told.items():
        t.require(len(contents) == 1, f"{len(contents)} different events have the webhook-id {event_id!r}")
    first = came[0].without(t, "id")
    ids = {sent.headers.get("webhook-id", "") for sent in came if sent.without(t, "id") == first}
    t.require(len(ids) == 1, f"an event that came again has another webhook-id: {', '.join(sorted(ids))}")


@check("events.signed", needs=[capability("events")], rule=f"{_SIGNED}; {_SCOPED}", phase=Phase.EARLY)
async def events_are_signed(t: Trial) -> None:
    """Events carry an id that stays theirs, a time, and the signature under the secret of their own tenant."""
    one, other = _Listener(), _Listener(refusals=1)
    async with _told(t, one) as tenant_id, _told(t, other) as other_id:
        for listener, whose in ((one, tenant_id), (other, other_id)):
            came = await _events(t, listener)
            for sent in came:
                _judge_signature(t, sent, listener.secret)
                event = sent.members(t)
                t.require(isinstance(event.get("type"), str), "the event has no type")
                about = event.get("tenant_id")
                t.require(about in {None, whose}, f"the event is about {about!r}, and came to the address of {whose}")
                carried = (*sent.headers.values(), sent.body.decode("utf-8", "replace"))
                t.require(not any(t.run.key in text for text in carried), "the event holds the market's key")
            _judge_ids(t, came)
