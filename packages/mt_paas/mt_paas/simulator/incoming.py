"""What the service tells the market of its own accord: signed events, and the reports of ``MarketplaceClient``.

Everything is checked as a market does it (whose token, whose tenant, which signature, how old), and a refusal says what
was wrong: a vendor's first event is seldom signed rightly. An event that comes again has the same id and counts once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import InvalidPeriod, MtPaasError, SignatureInvalid
from mt_paas.simulator.journal import Kind, Level
from mt_paas.simulator.market import CannotDo, Market
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.standard_api.events import verify_event
from mt_paas.standard_api.models import Event
from mt_paas.standard_api.periods import resolve_period
from mt_paas.standard_api.wire import WireError, read

__all__ = ["Inbox", "Received", "Refused"]

_KEPT = 1000


class Refused(MtPaasError):
    """What came is not taken; ``status`` and ``error`` are those of the answer."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message


@dataclass(frozen=True, slots=True)
class Received:
    """One event or report."""

    id: str
    type: str
    at: datetime
    tenant_id: str | None
    data: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        at = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"id": self.id, "type": self.type, "at": at, "tenant_id": self.tenant_id, "data": self.data}


class UsageReport(BaseModel):
    """The body of a usage report."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    period: str
    usage: dict[str, float] = Field(min_length=1)
    source_id: str | None = None


class StatusReport(BaseModel):
    """The body of a report of how the service sees its tenant."""

    model_config = ConfigDict(strict=True)

    status: str = Field(min_length=1, max_length=60)


class Inbox:
    """See the module. ``token`` is the one that the market gave the service; a call-back token is its tenant's."""

    def __init__(self, market: Market, *, token: str) -> None:
        self._market = market
        self._token = token
        self._came = asyncio.Condition()
        self.received: deque[Received] = deque(maxlen=_KEPT)
        market.mask.learn(token)

    async def take_event(self, authorization: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take an event: raw, as it came. Raises ``Refused``."""
        tenant = self._market.tenants.by_token(_bearer(authorization))
        if tenant is None:
            raise self._refusal(401, "token_unknown", "the call-back token is missing, or of no tenant of this run")
        try:
            verify_event(tenant.secret, headers, body, now=self._market.clock())
        except SignatureInvalid as error:
            raise self._refusal(401, "signature_invalid", str(error), tenant.tenant_id) from None
        try:
            event = read(Event, body)
        except WireError as error:
            raise self._refusal(422, "invalid_body", str(error), tenant.tenant_id) from None
        if event.id != headers.get("webhook-id"):
            text = "`id` and webhook-id differ: they are one, so that an event that comes again is known"
            raise self._refusal(422, "invalid_body", text, tenant.tenant_id)
        if event.tenant_id not in {None, tenant.tenant_id}:
            text = f"the token is of {tenant.tenant_id}, and the event is about {event.tenant_id}"
            raise self._refusal(403, "tenant_forbidden", text, tenant.tenant_id)
        if any(each.id == event.id for each in self.received):
            text = f"event {event.type} {event.id} came again, and counts once"
            self._market.journal.note(Level.INFO, text, tenant_id=tenant.tenant_id)
            return
        await self._keep(Received(event.id, event.type, self._market.clock(), event.tenant_id, event.data))

    async def take_usage(self, authorization: str, tenant_id: str, body: bytes) -> dict[str, Any]:
        """Take a usage report, and return the record; the same ``source_id`` again corrects it. Raises ``Refused``."""
        tenant = self._tenant(authorization, tenant_id)
        report = self._read(UsageReport, body, tenant_id)
        try:
            period = resolve_period(report.period, self._market.clock())
        except InvalidPeriod as error:
            raise self._refusal(422, error.code, error.message, tenant_id) from None
        if any(value < 0 for value in report.usage.values()):
            raise self._refusal(422, "invalid_body", "usage: a figure is less than 0", tenant_id)
        source = report.source_id or period
        before = tenant.usage_reports.get(source)
        record: dict[str, Any] = {
            "tenant_id": tenant_id,
            "source_id": source,
            "period": period,
            "usage": report.usage,
            "corrections": 0 if before is None else before["corrections"] + 1,
        }
        tenant.usage_reports[source] = record
        await self._keep(self._report("usage report", tenant_id, {"period": period, "usage": report.usage}))
        return record

    async def take_status(self, authorization: str, tenant_id: str, body: bytes) -> dict[str, Any]:
        """Note how the service sees its tenant, and return the tenant: a report moves no state. Raises ``Refused``."""
        tenant = self._tenant(authorization, tenant_id)
        report = self._read(StatusReport, body, tenant_id)
        await self._keep(self._report("status report", tenant_id, {"status": report.status}))
        return tenant.as_dict()

    def look_up(self, authorization: str, tenant_id: str) -> SimulatedTenant:
        """Return a tenant to the service. Raises ``Refused``."""
        return self._tenant(authorization, tenant_id)

    async def wait_for(self, kind: str, tenant_id: str | None, within: float) -> Received:
        """Return the newest event or report of the kind, or the next, within so many seconds. Raises ``CannotDo``."""

        def found() -> Received | None:
            for each in reversed(self.received):
                if each.type == kind and tenant_id in {None, each.tenant_id}:
                    return each
            return None

        try:
            async with asyncio.timeout(within), self._came:
                while (received := found()) is None:
                    await self._came.wait()
                return received
        except TimeoutError:
            raise CannotDo(f"no {kind} came within {within:g} s") from None

    async def _keep(self, received: Received) -> None:
        self.received.append(received)
        async with self._came:
            self._came.notify_all()
        masked = self._market.mask.value(received.data)
        about = "" if received.tenant_id is None else f" of {received.tenant_id}"
        self._market.journal.write(
            Kind.EVENT,
            Level.GOOD,
            f"{received.type}{about}: {_short(masked)}",
            tenant_id=received.tenant_id,
            facts={"event": {**received.as_dict(), "data": masked}},
        )

    def _report(self, kind: str, tenant_id: str, data: dict[str, Any]) -> Received:
        return Received(secrets.token_hex(8), kind, self._market.clock(), tenant_id, data)

    def _tenant(self, authorization: str, tenant_id: str) -> SimulatedTenant:
        token = _bearer(authorization)
        if not token:
            raise self._refusal(401, "unauthenticated", "a token is needed: Authorization: Bearer …", tenant_id)
        owner = self._market.tenants.by_token(token)
        if owner is None and not secrets.compare_digest(token.encode(), self._token.encode()):
            raise self._refusal(401, "token_unknown", "this market does not know the token", tenant_id)
        if owner is not None and owner.tenant_id != tenant_id:
            raise self._refusal(403, "tenant_forbidden", f"the token is of {owner.tenant_id} alone", tenant_id)
        tenant = self._market.tenants.get(tenant_id)
        if tenant is None or tenant.state is TenantStatus.CANCELLED:
            raise self._refusal(404, "tenant_not_found", f"this market has no tenant {tenant_id}", tenant_id)
        return tenant

    def _read(self, model: type[Any], body: bytes, tenant_id: str) -> Any:
        try:
            return read(model, body)
        except WireError as error:
            raise self._refusal(422, "invalid_body", str(error), tenant_id) from None

    def _refusal(self, status: int, error: str, message: str, tenant_id: str | None = None) -> Refused:
        """Return the refusal, and show it: what a service sends in vain is what its vendor looks for."""
        message = self._market.mask.text(message)
        known = tenant_id if tenant_id and self._market.tenants.get(tenant_id) else None
        text = f"a call of the service was refused with {status} {error}: {message}"
        self._market.journal.write(Kind.EVENT, Level.WRONG, text, tenant_id=known)
        self._market.faults += 1
        return Refused(status, error, message)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _short(data: dict[str, Any]) -> str:
    text = ", ".join(
        f"{name} {{{_short(value)}}}" if isinstance(value, dict) else f"{name} {value}" for name, value in data.items()
    )
    return text if len(text) <= 200 else f"{text[:199]}…"
