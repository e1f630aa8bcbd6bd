"""How long a client waits, what it tries again, and whom it does not call."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.errors import (
    AddressNotAllowed,
    ConfigurationError,
    OperationInProgress,
    ServiceCallError,
    ServiceFailed,
    ServiceNotReady,
    ServiceTimeout,
    ServiceUnreachable,
)
from mt_paas.standard_api import (
    AddressPolicy,
    StandardAPIClient,
    Timeouts,
)
from mt_paas.testing.doubles import (
    Call,
    FakeService,
    answer_with,
    dripping,
    dropped,
    fail,
    flaky,
    garbage,
    refuse,
    silent,
)

IMPATIENT = Timeouts(connect=2, total=0.3)


class TestTime:
    @pytest.mark.parametrize("behaviour", [silent, dripping(interval=0.01)])
    async def test_a_call_ends_by_its_deadline(self, make_client, service, activation, behaviour):
        service.behave(behaviour)
        async with make_client(timeouts=IMPATIENT) as client:
            with pytest.raises(ServiceTimeout) as late:
                await client.activate(activation, idempotency_key="1")
        assert late.value.sent
        assert service.count("activate") == 1

    async def test_silence_in_the_middle_is_bounded_too(self, make_client, service):
        async def stall(call: Call) -> None:
            await call.start(200, {"content-type": "application/json", "content-length": "10"})
            await call.hung_up()

        service.behave(stall)
        async with make_client(timeouts=Timeouts(read=0.05, total=60), attempts=1) as client:
            with pytest.raises(ServiceTimeout):
                await client.health()

    async def test_a_deadline_that_passes_before_there_is_a_connection_was_not_sent(self, make_client):
        async def never(host: str, port: int) -> list[str]:
            await asyncio.Event().wait()
            return []

        manifest = FakeService().manifest("http://slow-dns.example")
        addresses = AddressPolicy(resolver=never)
        async with StandardAPIClient(manifest, "k3y", addresses=addresses, timeouts=Timeouts(9, total=0.1)) as client:
            with pytest.raises(ServiceUnreachable) as unreachable:
                await client.health()
        assert not unreachable.value.sent


class Pauses(list[float]):
    """Does not wait, and remembers for how long it should have."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


class TestRetries:
    @pytest.fixture
    def pauses(self) -> Pauses:
        return Pauses()

    @pytest.fixture
    async def client(self, make_client, pauses):
        async with make_client(pause=pauses) as client:
            yield client

    async def test_pauses_grow_and_are_spread(self, make_client, service, pauses):
        service.behave(refuse(ServiceNotReady))
        async with make_client(pause=pauses, attempts=9) as client:
            with pytest.raises(ServiceFailed):
                await client.health()
        assert len(set(pauses)) == 8
        assert all(0 <= pause <= min(0.25 * 2**attempt, 5) for attempt, pause in enumerate(pauses, start=1))

    async def test_a_service_that_says_when_to_come_again_is_asked_no_sooner(self, client, service, pauses):
        service.behave(flaky(1, answer_with(503, b"", headers={"retry-after": "2"})))
        await client.health()
        assert pauses == [2]

    @pytest.mark.parametrize("behaviour", [answer_with(status, b"") for status in (429, 502, 503, 504)])
    async def test_a_query_is_tried_again_where_that_can_help(self, client, service, behaviour):
        service.behave(flaky(2, behaviour))
        assert (await client.health()).status == "healthy"
        assert service.count("health") == 3

    async def test_a_query_is_tried_a_few_times_and_no_more(self, client, service):
        service.behave(refuse(ServiceNotReady))
        with pytest.raises(ServiceFailed):
            await client.health()
        assert service.count("health") == 3

    @pytest.mark.parametrize("behaviour", [fail(500), answer_with(501, b""), refuse(OperationInProgress), garbage()])
    async def test_a_query_is_not_tried_again_where_it_can_not(self, client, service, behaviour):
        service.behave(behaviour)
        with pytest.raises(ServiceCallError):
            await client.health()
        assert service.count("health") == 1

    @pytest.mark.parametrize(
        "behaviour", [refuse(ServiceNotReady), answer_with(502, b""), answer_with(429, b""), dropped]
    )
    async def test_a_post_that_arrived_is_never_sent_again(self, client, service, activation, behaviour):
        service.behave(behaviour)
        with pytest.raises(ServiceCallError) as failure:
            await client.activate(activation, idempotency_key="1")
        assert failure.value.sent
        assert service.count("activate") == 1

    async def test_a_connection_that_ends_unanswered_is_unknown_for_a_post(self, raw_service, loopback, activation):
        async with (
            raw_service(b"") as (url, asked),
            StandardAPIClient(FakeService().manifest(url), "k3y", addresses=loopback) as client,
        ):
            with pytest.raises(ServiceFailed, match="was not answered: the connection ended") as failure:
                await client.activate(activation, idempotency_key="1")
        assert failure.value.sent
        assert len(asked) == 1

    async def test_a_post_that_never_arrived_is_sent_again(self, service, base_url, activation, pauses):
        port = base_url.rpartition(":")[2]
        answers = [["127.0.0.2"], ["127.0.0.1"]]  # nobody listens at the first

        async def resolver(host: str, port: int) -> list[str]:
            return answers.pop(0)

        manifest = service.manifest(f"http://service.example:{port}")
        addresses = AddressPolicy(allow=["127.0.0.0/8"], resolver=resolver)
        async with StandardAPIClient(manifest, service.api_key, addresses=addresses, pause=pauses) as client:
            assert (await client.activate(activation, idempotency_key="1")).status == "activated"
        assert service.count("activate") == 1

    async def test_a_service_that_is_away_is_unreachable(self, loopback, activation, unused_tcp_port, pauses):
        manifest = FakeService().manifest(f"http://127.0.0.1:{unused_tcp_port}")
        async with StandardAPIClient(manifest, "k3y", addresses=loopback, pause=pauses) as client:
            with pytest.raises(ServiceUnreachable, match="found no connection") as unreachable:
                await client.activate(activation, idempotency_key="1")
        assert (unreachable.value.sent, unreachable.value.retryable) == (False, True)

    async def test_it_does_not_wait_past_its_deadline(self, client, service):
        service.behave(answer_with(503, b"", headers={"retry-after": "3600"}))
        with pytest.raises(ServiceFailed) as failure:
            await client.health()
        assert failure.value.retry_after == 3600
        assert service.count("health") == 1


class TestAddresses:
    async def test_a_private_address_is_not_called_unless_it_is_allowed(self, make_client, service, activation):
        async with make_client(addresses=AddressPolicy()) as client:
            with pytest.raises(AddressNotAllowed, match=r"was not sent: 127\.0\.0\.1 is not a public address"):
                await client.activate(activation, idempotency_key="1")
        assert service.calls == []

    @pytest.mark.parametrize("key", ["a b", "k\r\nX: y", "키"])
    def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(self, service, key):
        with pytest.raises(ConfigurationError) as refusal:
            StandardAPIClient(service.manifest("https://x.example"), key)
        assert key not in str(refusal.value)
