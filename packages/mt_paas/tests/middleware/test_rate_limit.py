"""How often a tenant may ask: windows, plans, headers, in memory and in a real Redis."""

from __future__ import annotations

import asyncio
import secrets
import socket

import pytest
import redis.asyncio
from mt_paas.errors import ConfigurationError
from mt_paas.middleware.counters import MemoryCounters, RedisCounters
from mt_paas.middleware.quotas import Count, Quota, Window, count, quotas_of
from mt_paas.standard_api.manifest import Manifest
from mt_paas.testing.doubles import FakeService

PER_MINUTE = Quota("basic", [Window(3, 60)])


@pytest.fixture
async def in_redis(redis_url):
    counters = RedisCounters(redis_url, prefix=f"test:{secrets.token_hex(4)}", patience=30)
    yield counters
    await counters.close()


@pytest.fixture(params=["memory", "redis"])
def counters(request, seconds, in_redis):
    """Both kinds. The clock of the one stands still; in Redis the windows are as long as a day."""
    return MemoryCounters(seconds) if request.param == "memory" else in_redis


async def allowed(counters, quota, tenant_id="hallym_univ") -> bool:
    return all(window.allowed for window in await counters.take(quota, tenant_id))


class TestCounters:
    async def test_they_allow_as_many_as_the_quota_says(self, counters):
        quota = Quota("basic", [Window(3, 86_400)])

        counts = [(await counters.take(quota, "hallym_univ"))[0] for _ in range(5)]

        assert [(one.allowed, one.remaining) for one in counts] == [
            (True, 2),
            (True, 1),
            (True, 0),
            (False, 0),
            (False, 0),
        ]
        assert all(0 < one.reset <= 86_400 for one in counts)
        assert [one.retry_after > 0 for one in counts] == [False, False, False, True, True]

    async def test_tenants_do_not_use_each_others(self, counters):
        quota = Quota("basic", [Window(1, 86_400)])

        assert await allowed(counters, quota, "hallym_univ")
        assert await allowed(counters, quota, "other_univ")
        assert not await allowed(counters, quota, "hallym_univ")

    async def test_what_one_window_refuses_counts_in_none(self, counters):
        quota = Quota("basic", [Window(2, 43_200), Window(100, 86_400)])

        for _ in range(20):
            last = await counters.take(quota, "hallym_univ")

        assert [(one.allowed, one.remaining) for one in last] == [(False, 0), (True, 98)]

    async def test_requests_at_once_are_counted_one_by_one(self, counters):
        quota = Quota("basic", [Window(10, 86_400)])

        counts = [
            (await one)[0] for one in asyncio.as_completed([counters.take(quota, "hallym_univ") for _ in range(50)])
        ]

        assert sorted(count.remaining for count in counts if count.allowed) == list(range(10))
        assert [count.remaining for count in counts if not count.allowed] == [0] * 40

    async def test_requests_at_once_of_several_tenants_and_plans_do_not_mix(self, counters):
        day, two = Quota("day", [Window(2, 86_400)]), Quota("two", [Window(3, 86_400), Window(1, 43_200)])
        asked = [(quota, tenant) for _ in range(3) for tenant in ("hallym_univ", "other_univ") for quota in (day, two)]

        counts = await asyncio.gather(*[counters.take(quota, tenant + quota.name) for quota, tenant in asked])

        told = {
            pair: [[one.allowed for one in counts[n]] for n, each in enumerate(asked) if each == pair] for pair in asked
        }
        assert {pair: told[pair] for pair in told if pair[0] is day} == {
            (day, tenant): [[True], [True], [False]] for tenant in ("hallym_univ", "other_univ")
        }
        assert {pair: told[pair] for pair in told if pair[0] is two} == {
            (two, tenant): [[True, True], [False, True], [False, True]] for tenant in ("hallym_univ", "other_univ")
        }

    async def test_of_two_windows_of_one_length_the_least_counts(self, counters):
        quota = Quota("basic", [Window(5, 86_400), Window(2, 86_400), Window(9, 86_400)])

        assert [await allowed(counters, quota) for _ in range(4)] == [True, True, False, False]

    async def test_another_plan_keeps_what_was_counted(self, counters):
        for _ in range(3):
            await counters.take(Quota("basic", [Window(3, 86_400)]), "hallym_univ")

        (after,) = await counters.take(Quota("premium", [Window(10, 86_400)]), "hallym_univ")

        assert after.remaining == 6


class TestMemory:
    async def test_a_window_slides(self, seconds):
        counters = MemoryCounters(seconds)
        seconds.now = 600.0
        assert [await allowed(counters, PER_MINUTE) for _ in range(4)] == [True, True, True, False]

        seconds.now = 660.0  # the window before weighs 3 still
        assert not await allowed(counters, PER_MINUTE)
        seconds.now = 681.0  # two thirds of it: 1.95
        assert [await allowed(counters, PER_MINUTE) for _ in range(3)] == [True, True, False]

    @pytest.mark.parametrize(("amount", "length"), [(1, 1), (3, 60), (7, 60), (100, 3600)])
    async def test_who_comes_when_told_is_let_in_and_not_much_before(self, seconds, amount, length):
        counters, quota = MemoryCounters(seconds), Quota("basic", [Window(amount, length)])
        for start in range(7):
            seconds.now += length * start / 7 + 0.13
            while await allowed(counters, quota):
                pass
            (refused,) = await counters.take(quota, "hallym_univ")
            came = seconds.now
            seconds.now = came + refused.retry_after - 1.001
            assert refused.retry_after == 1 or not await allowed(counters, quota)
            seconds.now = came + refused.retry_after
            assert await allowed(counters, quota)

    async def test_what_weighs_nothing_is_forgotten(self, seconds):
        counters = MemoryCounters(seconds)
        for number in range(100):
            await counters.take(PER_MINUTE, f"tenant-{number}")
        seconds.now += 180

        await counters.take(PER_MINUTE, "hallym_univ")

        assert len(counters._running) == 1


class TestRedis:
    async def test_two_processes_count_together(self, redis_url):
        prefix = f"test:{secrets.token_hex(4)}"
        first, second = (RedisCounters(redis_url, prefix=prefix, patience=30) for _ in range(2))
        quota = Quota("basic", [Window(2, 86_400)])

        answers = [await allowed(counters, quota) for counters in (first, second, first, second)]

        assert answers == [True, True, False, False]
        await first.close()
        await second.close()

    async def test_a_window_slides_and_its_keys_go(self, in_redis, redis_url):
        quota = Quota("basic", [Window(4, 1)])
        while await allowed(in_redis, quota):
            pass
        (refused,) = await in_redis.take(quota, "hallym_univ")

        client = redis.asyncio.Redis.from_url(redis_url)
        (key,) = await client.keys(f"{in_redis._prefix}:*")
        assert 0 < await client.pttl(key) <= 2000
        assert refused.retry_after in {1, 2}
        await client.aclose()

    async def test_it_is_asked_once_for_a_request(self, in_redis, redis_url):
        quota = Quota("basic", [Window(100, 60), Window(1000, 3600)])
        await in_redis.take(quota, "hallym_univ")  # brings the script
        client = redis.asyncio.Redis.from_url(redis_url)
        before = (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
        commands = (await client.info("stats"))["total_commands_processed"]

        await in_redis.take(quota, "hallym_univ")

        after = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        calls = (await client.info("stats"))["total_commands_processed"] - commands
        assert after - before == 1
        # one from us, two of INFO, and what the script itself calls: TIME, HMGET, HSET, PEXPIRE a window
        assert calls <= 1 + 2 + 1 + 2 * 3
        await client.aclose()

    async def test_one_that_is_away_stops_nobody_and_this_process_counts(self, caplog):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        counters = RedisCounters(f"redis://user:s3cret@127.0.0.1:{port}/0", prefix="test")

        answers = [await allowed(counters, PER_MINUTE) for _ in range(4)]

        assert answers == [True, True, True, False]
        assert caplog.text.count("Redis does not count") == 1
        assert "s3cret" not in caplog.text
        await counters.close()

    async def test_one_that_hangs_stops_nobody(self):
        gone = asyncio.Event()

        async def hang(reader, writer):
            await reader.read()
            writer.close()
            await writer.wait_closed()
            gone.set()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as hanging:
            port = hanging.sockets[0].getsockname()[1]
            counters = RedisCounters(f"redis://127.0.0.1:{port}/0", prefix="test", patience=0.05)

            assert await allowed(counters, PER_MINUTE)

            await counters.close()
            await gone.wait()

    async def test_those_who_wait_for_one_that_hangs_do_not_wait_in_turn(self, caplog):
        async def hang(reader, writer):
            await reader.read()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as hanging:
            port = hanging.sockets[0].getsockname()[1]
            counters = RedisCounters(f"redis://127.0.0.1:{port}/0", prefix="test", patience=0.05)

            answers = await asyncio.gather(*[allowed(counters, PER_MINUTE) for _ in range(500)])

            assert answers.count(True) == 3
            assert caplog.text.count("Redis does not count") == 1
            await counters.close()

    @pytest.mark.parametrize("url", ["nonsense://x", "memory://", "memcached://localhost", "", "redis"])
    def test_another_storage_is_told(self, url):
        with pytest.raises(ConfigurationError, match="redis://"):
            RedisCounters(url, prefix="test")


class TestCount:
    def test_a_full_window_before_takes_all_room_at_the_edge(self):
        assert count(Window(3, 60), 0, 3, 60, counted=False) == Count(False, 0, 61, 1)


STANDARD = {"ratelimit-policy": '"basic";q=3;w=60', "ratelimit": '"basic";r=2;t=21'}
EARLY = {"ratelimit-limit": "3", "ratelimit-remaining": "2", "ratelimit-reset": "21"}


def limits_told(answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("ratelimit")}


class TestHeaders:
    @pytest.mark.parametrize(("wanted", "told"), [("standard", STANDARD), ("early", EARLY), ("both", STANDARD | EARLY)])
    async def test_of_one_window(self, start, directory, seconds, wanted, told):
        client = await start(counters=MemoryCounters(seconds), quotas={"basic": PER_MINUTE}, limit_headers=wanted)

        answer = await client.get("/tell", headers=directory.bearer())

        assert answer.status_code == 200
        assert limits_told(answer) == told

    async def test_of_several_tell_all_and_the_tightest(self, start, directory, seconds):
        quota = Quota("basic", [Window(1000, 3600), Window(3, 60)])
        client = await start(counters=MemoryCounters(seconds), quotas={"basic": quota}, limit_headers="both")

        answer = await client.get("/tell", headers=directory.bearer())

        assert answer.headers["ratelimit-policy"] == '"basic-60";q=3;w=60, "basic-3600";q=1000;w=3600'
        assert answer.headers["ratelimit"] == '"basic-60";r=2;t=21, "basic-3600";r=999;t=2601'
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("3", "2")

    @pytest.mark.parametrize("wanted", ["standard", "early"])
    async def test_a_refusal_has_all(self, start, directory, seconds, wanted):
        client = await start(counters=MemoryCounters(seconds), quotas={"basic": PER_MINUTE}, limit_headers=wanted)
        for _ in range(4):
            answer = await client.get("/tell", headers=directory.bearer())

        assert answer.status_code == 429
        assert set(limits_told(answer)) == set(STANDARD | EARLY)


class TestOverHttp:
    async def test_too_many_are_told_when_to_come_again(self, start, directory, seconds):
        client, headers = await start(counters=MemoryCounters(seconds), other=PER_MINUTE), directory.bearer()
        for _ in range(3):
            await client.get("/tell", headers=headers)

        answer = await client.get("/tell", headers=headers)

        assert (answer.status_code, answer.json()["error"], answer.json()["retryable"]) == (429, "rate_limited", True)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["ratelimit-remaining"] == "0"
        seconds.now += int(answer.headers["retry-after"])
        assert (await client.get("/tell", headers=headers)).status_code == 200

    async def test_plans_have_limits_of_their_own(self, start, directory, seconds):
        directory.add("rich_univ", plan="premium")
        directory.add("odd_univ", plan="unheard-of")
        client = await start(
            counters=MemoryCounters(seconds),
            quotas={"basic": PER_MINUTE, "premium": None},
            other=Quota("default", [Window(4, 60)]),
        )
        bearers = [directory.bearer(name) for name in ("hallym_univ", "rich_univ", "odd_univ")]

        for _ in range(4):
            answers = [await client.get("/tell", headers=bearer) for bearer in bearers]
        last = [await client.get("/tell", headers=bearer) for bearer in bearers]

        assert [answer.status_code for answer in answers] == [429, 200, 200]
        assert [answer.status_code for answer in last] == [429, 200, 429]

    async def test_who_is_for_no_tenant_is_not_counted(self, start, seconds):
        client = await start(counters=MemoryCounters(seconds), other=Quota("default", [Window(1, 60)]))

        answers = [await client.get(path) for path in ("/tell", "/tell", "/mt/tell", "/health")]

        assert [(answer.status_code, "ratelimit" in answer.headers) for answer in answers] == [(200, False)] * 4

    async def test_a_stream_flows_and_tells_too(self, start, directory, seconds):
        client = await start(counters=MemoryCounters(seconds), other=PER_MINUTE)

        async with client.stream("GET", "/stream?endless=true", headers=directory.bearer()) as answer:
            first = await anext(answer.aiter_text())

        assert (first, answer.headers["ratelimit"]) == ("hallym_univ\n", '"basic";r=2;t=21')

    async def test_in_redis(self, start, directory, in_redis):
        client = await start(counters=in_redis, other=Quota("basic", [Window(1, 86_400)]))
        headers = directory.bearer()

        answers = [await client.get("/tell", headers=headers) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 429]


class TestPlans:
    def manifest(self, **limits):
        manifest = FakeService(service_id="notes").manifest("http://notes.example").model_dump(mode="json")
        plans = {"basic": {"limits": limits}, "premium": {}}
        return Manifest.model_validate(manifest | {"version": "2.0", "plans": plans})

    def test_the_manifest_says_them(self):
        manifest = self.manifest(requests_per_minute=60, requests_per_day=5000, max_users=3)

        quotas, other = quotas_of(manifest, {}, None)

        assert {name: quota.windows for name, quota in quotas.items()} == {
            "basic": (Window(60, 60), Window(5000, 86_400))
        }
        assert other is None

    def test_a_setting_replaces_them(self):
        manifest = self.manifest(requests_per_minute=60)

        quotas, other = quotas_of(manifest, {"basic": "unlimited", "gold": "5/second; 10 per 2 minutes"}, "7/hour")

        assert quotas["basic"] is None
        assert quotas["gold"].windows == (Window(5, 1), Window(10, 120))
        assert other.windows == (Window(7, 3600),)

    @pytest.mark.parametrize("amount", [0, -1, "many", 1.5, True])
    def test_a_limit_of_the_manifest_that_is_none_is_told(self, amount):
        with pytest.raises(ConfigurationError, match=r"plans\.basic\.limits\.requests_per_minute"):
            quotas_of(self.manifest(requests_per_minute=amount), {}, None)

    @pytest.mark.parametrize("text", ["", "many", "0/minute", "5/fortnight", "-1/minute"])
    def test_a_limit_of_a_setting_that_is_none_is_told(self, text):
        with pytest.raises(ConfigurationError, match="100/minute"):
            quotas_of(self.manifest(), {"basic": text}, None)
