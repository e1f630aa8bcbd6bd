"""Faults in the events that a service posts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
from datetime import timedelta

import httpx2
from mt_paas.standard_api import signed_headers
from mt_paas.testing.doubles import FakeService

from mutants.planting import mutant

EVENTS = "signed events (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`)"


class Signed(FakeService):
    """A service that signs otherwise."""

    def signed(self, headers, secret, event, body, now):
        return headers

    async def _post(self, callback, event):
        body, now = event.model_dump_json(exclude_none=True).encode(), self.clock()
        right = signed_headers(callback.secret, event.id, now, body)
        headers = self.signed(right, callback.secret, event, body, now)
        headers |= {"authorization": f"Bearer {callback.token}", "content-type": "application/json"}
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            with contextlib.suppress(httpx2.TransportError):
                await http.post(callback.events_url, content=body, headers=headers)


@mutant("events", EVENTS)
class EventsAreSignedWithAnotherSecret(Signed):
    def signed(self, headers, secret, event, body, now):
        other = "whsec_" + base64.b64encode(b"x" * 32).decode()
        return signed_headers(other, event.id, now, body)


@mutant("events", EVENTS)
class OnlyTheBodyOfAnEventIsSigned(Signed):
    def signed(self, headers, secret, event, body, now):
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
        signed = base64.b64encode(hmac.digest(key, body, hashlib.sha256)).decode()
        return headers | {"webhook-signature": f"v1,{signed}"}


@mutant("events", EVENTS)
class TheSecretIsTakenAsItIsWritten(Signed):
    def signed(self, headers, secret, event, body, now):
        told = f"{event.id}.{headers['webhook-timestamp']}.".encode() + body
        signed = hmac.digest(secret.encode(), told, hashlib.sha256)
        return headers | {"webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}


@mutant("events", EVENTS)
class SignaturesAreHexadecimal(Signed):
    def signed(self, headers, secret, event, body, now):
        encoded = headers["webhook-signature"].partition(",")[2]
        return headers | {"webhook-signature": f"sha256={base64.b64decode(encoded).hex()}"}


@mutant("events", EVENTS)
class EventsHaveNoId(Signed):
    def signed(self, headers, secret, event, body, now):
        return {name: value for name, value in headers.items() if name != "webhook-id"}


@mutant("events", EVENTS)
class EventsAreNotSigned(Signed):
    def signed(self, headers, secret, event, body, now):
        return {name: value for name, value in headers.items() if name != "webhook-signature"}


@mutant("events", EVENTS)
class EventsAreFromLongAgo(Signed):
    def signed(self, headers, secret, event, body, now):
        return signed_headers(secret, event.id, now - timedelta(days=1), body)


@mutant("events", EVENTS)
class AllEventsHaveOneId(FakeService):
    async def _post(self, callback, event):
        await super()._post(callback, event.model_copy(update={"id": "evt_0000000001"}))


@mutant("events", EVENTS)
class EventsAreSignedWithTheFirstSecret(FakeService):
    first = None

    async def _post(self, callback, event):
        self.first = self.first or callback.secret
        await super()._post(callback.model_copy(update={"secret": self.first}), event)


@mutant("events", "a scoped call-back token, valid for its own tenant alone")
class EventsAreAboutAnotherTenant(FakeService):
    async def _post(self, callback, event):
        await super()._post(callback, event.model_copy(update={"tenant_id": "somebody-else"}))


@mutant("events", "a scoped call-back token, valid for its own tenant alone")
class EventsCarryTheMarketsKey(FakeService):
    async def _post(self, callback, event):
        await super()._post(callback.model_copy(update={"token": self.api_key}), event)


@mutant("events", EVENTS)
class AnEventThatComesAgainHasAnotherId(FakeService):
    async def _post(self, callback, event):
        for number in range(3):
            again = event.model_copy(update={"id": f"{event.id}_{number}"})
            body = again.model_dump_json(exclude_none=True).encode()
            headers = signed_headers(callback.secret, again.id, self.clock(), body)
            async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
                if (await http.post(callback.events_url, content=body, headers=headers)).status_code < 500:
                    return
