"""Signed events: what a service tells the market of its own accord, and how the market knows who said it.

An event travels as Standard Webhooks has it, version 1 (standardwebhooks.com): ``webhook-id``, ``webhook-timestamp``
and ``webhook-signature``, an HMAC-SHA256 over the three. Both sides are here: :func:`signed_headers` and
:class:`EventSender` for a service, :func:`verify_event` for a market. No secret stands in a message, a log or a repr.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import httpx2

from mt_paas.errors import ConfigurationError, ServiceCallError, SignatureInvalid
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.exchange import exchange, jittered
from mt_paas.standard_api.models import Callback, Event
from mt_paas.standard_api.outgoing import Outgoing

__all__ = ["TOLERANCE", "EventSender", "signed_headers", "verify_event"]

logger = logging.getLogger("mt_paas.standard_api.events")

#: How far an event's time may be from now, either way: what was recorded can not be played back later.
TOLERANCE = timedelta(minutes=5)

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_LONGEST_DELAY = 60.0  # seconds


def signed_headers(secret: str, event_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers that prove where ``body`` comes from.

    ``secret`` is ``whsec_`` and base64, as a call-back gives it. Raises ``ConfigurationError`` for one that is not,
    and ``ValueError`` for an id that no header can carry.
    """
    if not _ID.fullmatch(event_id):
        raise ValueError("the id of an event is 1 to 255 visible ASCII characters")
    seconds = str(int(timestamp.timestamp()))
    signature = base64.b64encode(_digest(_key(secret), event_id, seconds, body)).decode()
    return dict(zip(_HEADERS, (event_id, seconds, f"v1,{signature}"), strict=True))


def verify_event(
    secrets: str | Iterable[str], headers: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> str:
    """Return the id of an event whose signature is right, or raise ``SignatureInvalid``.

    ``secrets`` are several while one replaces another, and ``body`` is what came, byte for byte. The id is the same
    whenever the same event comes again: an event whose id was seen is to be accepted and not counted twice.
    """
    event_id, seconds, signatures = _three(headers)
    if not _ID.fullmatch(event_id) or not _TIMESTAMP.fullmatch(seconds):
        raise SignatureInvalid("webhook-id or webhook-timestamp is not what Standard Webhooks says.")
    age = (now or datetime.now(UTC)).timestamp() - int(seconds)
    if abs(age) > TOLERANCE.total_seconds():
        raise SignatureInvalid(f"The event is {abs(age):.0f} s {'old' if age > 0 else 'ahead of now'}: send it anew.")
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    known = [_digest(key, event_id, seconds, body) for key in keys]
    presented = [_decoded(value) for kind, _, value in (s.partition(",") for s in signatures.split()) if kind == "v1"]
    right = [hmac.compare_digest(one, other) for one in presented for other in known]  # all of them, always
    if not any(right):
        raise SignatureInvalid
    return event_id


class EventSender(Outgoing):
    """Posts events to the call-backs of the tenants that they are about. An async context manager.

    An attempt has ``timeout`` seconds. Up to ``attempts`` are made, with a ``pause`` of some seconds between them,
    where another can help; they carry one ``webhook-id``, and each its own time. ``addresses`` rules which hosts are
    posted to, unless a ``transport`` is given: then that decides.
    """

    def __init__(
        self,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        addresses: AddressPolicy | None = None,
        timeout: float = 10.0,
        attempts: int = 5,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if attempts < 1 or timeout <= 0:
            raise ConfigurationError(f"{attempts} attempts of {timeout} s send nothing: set at least 1, and some time")
        super().__init__(transport, addresses, tls, httpx2.Timeout(timeout))
        self._timeout = timeout
        self._attempts = attempts
        self._pause = pause
        self._clock = clock

    async def send(self, event: Event, callback: Callback) -> None:
        """Post ``event``, and return when the market has taken it.

        Raises the ``ServiceCallError`` family when it would not, or when no attempt was answered: then the same event
        may be sent again, for its id says that it is the same.
        """
        body = event.model_dump_json(exclude_none=True).encode()
        for attempt in range(1, self._attempts + 1):
            try:
                await self._post(event, callback, body)
                return
            except ServiceCallError as problem:
                if not problem.retryable or attempt == self._attempts:
                    raise
                delay = min(max(problem.retry_after or 0, jittered(attempt, _LONGEST_DELAY)), _LONGEST_DELAY)
                logger.info("event %s: %s; trying again in %.1f s", event.id, problem, delay)
            await self._pause(delay)

    async def _post(self, event: Event, callback: Callback, body: bytes) -> None:
        request = self._http.build_request(
            "POST",
            callback.events_url,
            content=body,
            headers={
                "Accept": "application/json, application/problem+json",
                "Accept-Encoding": "identity",
                "Authorization": f"Bearer {callback.token}",
                "Content-Type": "application/json",
                **signed_headers(callback.secret, event.id, self._clock(), body),
            },
        )
        deadline = asyncio.get_running_loop().time() + self._timeout
        reply = await exchange(self._http, request, deadline, limit=self._timeout, secret=callback.token)
        if not reply.is_success:
            raise reply.problem()


def _three(headers: Mapping[str, str]) -> tuple[str, str, str]:
    found: dict[str, list[str]] = {name: [] for name in _HEADERS}
    for name, value in headers.items():
        if name.lower() in found:
            found[name.lower()].append(value)
    wrong = [name for name, values in found.items() if len(values) != 1]
    if wrong:
        raise SignatureInvalid(f"{', '.join(wrong)} must come once each.")
    event_id, seconds, signatures = (values[0] for values in found.values())
    return event_id, seconds, signatures


def _digest(key: bytes, event_id: str, seconds: str, body: bytes) -> bytes:
    return hmac.digest(key, f"{event_id}.{seconds}.".encode() + body, hashlib.sha256)


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigurationError("The secret of a call-back is whsec_ and base64, and this one is not.")
    return key


def _decoded(signature: str) -> bytes:
    """Return the bytes of a signature; none, which are nobody's, for what is no base64."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
