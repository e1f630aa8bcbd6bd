"""Events: signed as the package of the standard's authors signs them, and posted until the market has them."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.errors import (
    AddressNotAllowed,
    ConfigurationError,
    ServiceAnswerInvalid,
    ServiceFailed,
    ServiceRefused,
    ServiceUnreachable,
    SignatureInvalid,
)
from mt_paas.standard_api import AddressPolicy, Callback, Event, EventSender, signed_headers, verify_event
from mt_paas.standard_api.events import TOLERANCE
from mt_paas.testing.doubles import serve
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 bytes......").decode()
NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)
TOKEN = "a-token-of-one-tenant"
EVENT = Event(
    id="evt_0198a4c27d1e", type="tenant.limit_reached", timestamp=NOW, tenant_id="hallym_univ", data={"이름": "한림"}
)


def signed(body: bytes = b"{}", **changes: str) -> dict[str, str]:
    return signed_headers(SECRET, "msg_1", NOW, body) | {
        name.replace("_", "-"): value for name, value in changes.items()
    }


class TestSigning:
    def test_it_is_the_signature_of_the_standards_own_package(self):
        body = b'{"test": 2432232314}'
        headers = signed_headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body)
        assert headers == {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": Webhook(SECRET).sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body.decode()
            ),
        }
        assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @given(st.text(), st.binary(min_size=1, max_size=64))
    def test_the_package_verifies_what_is_signed_and_the_other_way_round(self, text, key):
        secret, now = f"whsec_{base64.b64encode(key).decode()}", datetime.now(UTC)
        body = json.dumps({"text": text}).encode()
        Webhook(secret).verify(body, signed_headers(secret, "msg_1", now, body))
        theirs = Webhook(secret).sign("msg_1", now, body.decode())
        headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(now.timestamp())), "Webhook-Signature": theirs}
        assert verify_event(secret, headers, body) == "msg_1"

    def test_a_secret_without_its_padding_or_prefix_is_the_same(self):
        encoded = base64.b64encode(b"a secret of 25 bytes.....").decode()
        forms = [f"whsec_{encoded}", f"whsec_{encoded.rstrip('=')}", encoded]
        assert len({signed_headers(form, "msg_1", NOW, b"")["webhook-signature"] for form in forms}) == 1

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "whsec_가", "whsec_A"])
    def test_one_that_is_none_is_refused_and_not_quoted(self, secret):
        with pytest.raises(ConfigurationError) as refusal:
            signed_headers(secret, "msg_1", NOW, b"")
        assert secret in {"", "whsec_"} or secret not in str(refusal.value)

    @pytest.mark.parametrize("event_id", ["", "a b", "a\r\nx: y", "이", "x" * 256])
    def test_an_id_that_no_header_carries_is_refused(self, event_id):
        with pytest.raises(ValueError, match="visible ASCII"):
            signed_headers(SECRET, event_id, NOW, b"")


class TestVerifying:
    @pytest.mark.parametrize("away", [timedelta(0), TOLERANCE, -TOLERANCE])
    def test_a_right_one_is_accepted_within_the_tolerance(self, away):
        assert verify_event(SECRET, signed(), b"{}", now=NOW + away) == "msg_1"

    @pytest.mark.parametrize("away", [TOLERANCE + timedelta(seconds=1), -TOLERANCE - timedelta(seconds=1)])
    def test_one_from_another_time_is_refused(self, away):
        with pytest.raises(SignatureInvalid, match="301 s"):
            verify_event(SECRET, signed(), b"{}", now=NOW + away)

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (signed(), b"{} "),
            (signed(), b""),
            (signed(webhook_id="msg_2"), b"{}"),
            (signed(webhook_timestamp=str(int(NOW.timestamp()) + 1)), b"{}"),
            (signed_headers(OTHER, "msg_1", NOW, b"{}"), b"{}"),
            (signed(webhook_signature=signed()["webhook-signature"].replace("v1,", "v2,")), b"{}"),
            (signed(webhook_signature=signed()["webhook-signature"].replace("v1,", "v1a,")), b"{}"),
            (signed(webhook_signature=signed()["webhook-signature"].removeprefix("v1,")), b"{}"),
            (signed(webhook_signature=signed()["webhook-signature"][:-5]), b"{}"),
            *[(signed(webhook_signature=wrong), b"{}") for wrong in ("", "v1,", "v1", ",", "v1,=", "v1,é", "v1,AAAA")],
            *[(signed(webhook_timestamp=wrong), b"{}") for wrong in ("", "x", "-1", "1e9", "1.5", "１", "9" * 400)],
            *[(signed(webhook_id=wrong), b"{}") for wrong in ("", "a b", "x" * 256)],
        ],
    )
    def test_whatever_was_changed_on_the_way_is_refused(self, headers, body):
        with pytest.raises(SignatureInvalid):
            verify_event(SECRET, headers, body, now=NOW)

    @pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_each_header_must_be_there(self, missing):
        headers = {name: value for name, value in signed().items() if name != missing}
        with pytest.raises(SignatureInvalid, match=missing):
            verify_event(SECRET, headers, b"{}", now=NOW)

    def test_a_header_that_came_twice_is_refused(self):
        with pytest.raises(SignatureInvalid, match="webhook-id"):
            verify_event(SECRET, signed() | {"Webhook-ID": "msg_1"}, b"{}", now=NOW)

    def test_one_of_several_signatures_is_enough(self):
        right = signed()["webhook-signature"]
        signatures = f"v1a,xyz garbage v1,AAAA {right}"
        assert verify_event(SECRET, signed(webhook_signature=signatures), b"{}", now=NOW) == "msg_1"

    def test_two_secrets_work_while_one_replaces_the_other(self):
        for secret in (SECRET, OTHER):
            assert verify_event([OTHER, SECRET], signed_headers(secret, "msg_1", NOW, b"{}"), b"{}", now=NOW)

    def test_without_a_secret_nothing_is_right(self):
        with pytest.raises(SignatureInvalid):
            verify_event([], signed(), b"{}", now=NOW)


class Market:
    """Takes events as it is told: ``answers`` are statuses, one an attempt, the last of them for good."""

    def __init__(self, *answers: int, **headers: str) -> None:
        self.answers = list(answers) or [204]
        self.headers = headers
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def __call__(self, scope, receive, send) -> None:
        request = Request(scope, receive)
        self.came.append((dict(request.headers), await request.body()))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        echo = json.dumps({"error": "no", "message": f"you sent {request.headers['authorization']}"})
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        response = Response(None if status == 204 else echo, status, headers, media_type="application/json")
        await response(scope, receive, send)

    @property
    def callback(self) -> Callback:
        return Callback(events_url=f"{self.url}/events", token=TOKEN, secret=SECRET)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Market]:
        async with serve(self) as self.url:
            yield self


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
async def sender(pauses, loopback) -> AsyncIterator[EventSender]:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with EventSender(addresses=loopback, pause=pause) as sender:
        yield sender


class TestSending:
    async def test_the_market_gets_the_event_with_its_token_and_a_right_signature(self, sender):
        async with Market().open() as market:
            await sender.send(EVENT, market.callback)
        ((headers, body),) = market.came
        assert headers["authorization"] == f"Bearer {TOKEN}"
        assert headers["content-type"] == "application/json"
        assert Event.model_validate_json(body) == EVENT
        assert verify_event(SECRET, headers, body) == EVENT.id
        Webhook(SECRET).verify(body, headers)

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    async def test_what_may_work_later_is_tried_again_as_the_same_event(self, sender, pauses, status):
        async with Market(status, status, 202).open() as market:
            await sender.send(EVENT, market.callback)
        assert [headers["webhook-id"] for headers, _ in market.came] == [EVENT.id] * 3
        assert len(pauses) == 2

    async def test_it_waits_as_long_as_it_is_asked_to_but_for_a_bound(self, sender, pauses):
        async with Market(503, 204, retry_after="7").open() as market:
            await sender.send(EVENT, market.callback)
        async with Market(503, 204, retry_after="86400").open() as market:
            await sender.send(EVENT, market.callback)
        assert pauses == [7.0, 60.0]

    async def test_it_ends_after_so_many_attempts(self, sender, pauses):
        async with Market(503).open() as market:
            with pytest.raises(ServiceFailed, match="503"):
                await sender.send(EVENT, market.callback)
        assert (len(market.came), len(pauses)) == (5, 4)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    async def test_a_refusal_is_not_tried_again(self, sender, status):
        async with Market(status).open() as market:
            with pytest.raises(ServiceRefused) as refusal:
                await sender.send(EVENT, market.callback)
        assert (len(market.came), refusal.value.status) == (1, status)

    async def test_a_redirect_is_not_followed(self, sender):
        async with Market(302, location="http://127.0.0.1/elsewhere").open() as market:
            with pytest.raises(ServiceAnswerInvalid, match="redirect"):
                await sender.send(EVENT, market.callback)
        assert len(market.came) == 1

    async def test_where_nobody_listens_it_is_tried_again(self, sender, pauses):
        async with Market().open() as market:
            callback = market.callback
        with pytest.raises(ServiceUnreachable):
            await sender.send(EVENT, callback)
        assert len(pauses) == 4

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://[::1]:9", "http://169.254.169.254/latest"])
    async def test_an_address_inside_is_not_posted_to_unless_it_is_allowed(self, pauses, url):
        async with EventSender(addresses=AddressPolicy()) as sender:
            with pytest.raises(AddressNotAllowed):
                await sender.send(EVENT, Callback(events_url=url, token=TOKEN, secret=SECRET))

    async def test_no_secret_gets_into_a_message_or_a_log(self, sender, caplog):
        with caplog.at_level(logging.DEBUG, "mt_paas"):
            async with Market(503, 503, 400).open() as market:
                with pytest.raises(ServiceRefused) as refusal:
                    await sender.send(EVENT, market.callback)
        told = f"{refusal.value} {caplog.text} {market.callback!r} {sender!r}"
        assert "trying again" in told
        for secret in (TOKEN, SECRET, SECRET.removeprefix("whsec_")):
            assert secret not in told

    @pytest.mark.parametrize("options", [{"attempts": 0}, {"timeout": 0}])
    def test_one_that_sends_nothing_is_refused(self, options):
        with pytest.raises(ConfigurationError, match="send nothing"):
            EventSender(**options)
