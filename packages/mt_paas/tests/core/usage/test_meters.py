from __future__ import annotations

import asyncio
import logging
import random
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from mt_paas.core.context import tenant_bound
from mt_paas.core.usage import UsageMeters, UsageStore
from mt_paas.errors import InvalidTenantId, ServiceNotReady, TenantNotBound

PROGRAM = Path(__file__).with_name("counting.py")
TENANT = "hallym_univ"


@pytest.fixture
async def tenant(tenants) -> str:
    await tenants.activate(TENANT)
    return TENANT


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "usage"


@pytest.fixture
async def new_meters(manager, folder):
    """Start meters: each is what another process would have. They add up when they are told to, or stop."""
    async with AsyncExitStack() as stack:

        async def make(**options) -> UsageMeters:
            options = {"folder": folder, "interval": 3600.0} | options
            meters = UsageMeters(options.pop("manager", manager), **options)
            await stack.enter_async_context(meters.running())
            await meters.flush()  # the first, which its start began
            return meters

        yield make


@pytest.fixture
async def meters(new_meters) -> UsageMeters:
    return await new_meters()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestCount:
    async def test_is_added_to_the_month_and_the_day(self, meters, tenant):
        meters.count("ai_tokens", 120, tenant_id=tenant)
        meters.count("ai_tokens", 3, tenant_id=tenant)
        meters.count("notes", tenant_id=tenant)

        assert await meters.totals("2026-03", tenant_id=tenant) == {"ai_tokens": 123, "notes": 1}
        assert await meters.totals("2026-03-01", tenant_id=tenant) == {"ai_tokens": 123, "notes": 1}
        assert await meters.totals("2026-02", tenant_id=tenant) == {}

    async def test_is_for_the_tenant_that_is_bound(self, meters, tenants):
        await tenants.activate("snu_univ", "kaist_univ")
        with tenant_bound("snu_univ"):
            meters.count("notes", 5)
            meters.count("notes", 7, tenant_id="kaist_univ")

            assert await meters.totals("2026-03") == {"notes": 5}
        assert await meters.totals("2026-03", tenant_id="kaist_univ") == {"notes": 7}

    async def test_in_a_thread_keeps_the_tenant(self, meters, tenant):
        with tenant_bound(tenant):
            await asyncio.gather(*(asyncio.to_thread(meters.count, "notes") for _ in range(50)))

        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 50}

    async def test_of_parts_is_exact(self, meters, tenant):
        for _ in range(10):
            meters.count("gpu_hours", 0.1, tenant_id=tenant)
            meters.count("cost", Decimal("0.000000001"), tenant_id=tenant)

        assert await meters.totals("2026-03", tenant_id=tenant) == {"gpu_hours": 1, "cost": 1e-08}

    async def test_without_a_tenant_is_refused(self, meters):
        with pytest.raises(TenantNotBound, match="No tenant is bound here"):
            meters.count("notes")

    async def test_of_what_is_no_tenant_is_refused(self, meters):
        with pytest.raises(InvalidTenantId):
            meters.count("notes", tenant_id="a b\nc")

    async def test_of_half_a_token_is_refused(self, meters, tenant):
        with pytest.raises(ValueError, match="ai_tokens are counted in whole numbers"):
            meters.count("ai_tokens", 0.5, tenant_id=tenant)

    async def test_before_the_service_has_started_is_refused(self, manager, folder, tenant):
        with pytest.raises(ServiceNotReady):
            UsageMeters(manager, folder).count("notes", tenant_id=tenant)

    async def test_for_a_tenant_that_never_was_is_dropped_with_a_word(self, meters, tenant, folder, caplog):
        meters.count("notes", tenant_id="nobody_here")
        meters.count("notes", 2, tenant_id=tenant)

        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 2}
        assert "counted for tenant nobody_here is dropped" in caplog.text
        assert files(folder) == []


class TestPeak:
    async def test_the_highest_of_the_period_counts(self, meters, new_meters, clock, tenant):
        other = await new_meters()
        meters.peak("seats", 7, tenant_id=tenant)
        other.peak("seats", 9, tenant_id=tenant)
        await other.flush()
        meters.peak("seats", 4, tenant_id=tenant)
        clock.move(days=1)
        meters.peak("seats", 8, tenant_id=tenant)

        assert await meters.totals("2026-03-01", tenant_id=tenant) == {"seats": 9}
        assert await meters.totals("2026-03-02", tenant_id=tenant) == {"seats": 8}
        assert await meters.totals("2026-03", tenant_id=tenant) == {"seats": 9}


class TestMidnight:
    async def test_divides_days_and_months_in_utc_whenever_it_is_added_up(self, meters, clock, tenant):
        for moment, amount in (
            (datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC), 1),
            (datetime(2026, 3, 1, tzinfo=UTC), 2),
            (datetime(2026, 3, 1, 8, 59, 59, tzinfo=timezone(timedelta(hours=9))), 4),  # the day before, in UTC
            (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), 8),
            (datetime(2026, 4, 1, tzinfo=UTC), 16),
        ):
            clock.now = moment
            meters.count("notes", amount, tenant_id=tenant)

        asked = ("2026-02-28", "2026-02", "2026-03-01", "2026-03-31", "2026-03", "2026-04")
        answers = [(await meters.totals(period, tenant_id=tenant)).get("notes") for period in asked]
        assert answers == [5, 5, 2, 8, 10, 16]


class TestSeveralProcesses:
    async def test_are_summed_up(self, meters, new_meters, tenant):
        other = await new_meters()
        for _ in range(100):
            meters.count("notes", tenant_id=tenant)
            other.count("notes", 2, tenant_id=tenant)
        await asyncio.gather(meters.flush(), other.flush(), meters.flush())

        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 300}

    async def test_an_orderly_end_adds_the_rest(self, manager, meters, folder, tenant):
        other = UsageMeters(manager, folder, 3600.0)
        async with other.running():
            other.count("notes", 3, tenant_id=tenant)

        assert files(folder) == []
        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 3}


class TestAnotherLife:
    def test_of_the_same_program_counts_on_in_a_loop_of_its_own(self, new_manager, folder):
        manager = new_manager()
        meters = UsageMeters(manager, folder, 3600.0)

        async def live(number: int) -> dict[str, float]:
            async with manager, meters.running():
                if number == 1:
                    await manager.onboard_tenant(TENANT, "Hallym")
                meters.count("notes", number, tenant_id=TENANT)
                await asyncio.gather(meters.flush(), meters.flush())
                return await meters.totals("2026-03", tenant_id=TENANT)

        assert [asyncio.run(live(number)) for number in (1, 2)] == [{"notes": 1}, {"notes": 3}]


@asynccontextmanager
async def counting(url: str, folder: Path, meter: str, mode: str):
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        url,
        folder,
        meter,
        mode,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def killed_at(url: str, folder: Path, meter: str, number: int) -> int:
    """Kill a process that counts after it said that it had counted ``number`` times; return how often it said so."""
    async with counting(url, folder, meter, "forever") as child:
        said = 0
        while said < number:
            said = int(await child.stdout.readline())
        child.kill()
        rest = (await child.stdout.read()).splitlines(keepends=True)
        whole = [line for line in rest if line.endswith(b"\n")]
        return int(whole[-1]) if whole else said


@pytest.mark.system
class TestKilled:
    async def test_at_any_moment_loses_nothing_that_was_counted(self, meters, registry_url, folder, tenant):
        chance = random.Random(20260301)  # noqa: S311 - where to kill is no secret
        said = {}
        for life in range(2):  # two processes at once, each killed somewhere in its first flushes
            names = [f"of_{life}_{which}" for which in "ab"]
            ends = [killed_at(registry_url, folder, name, chance.randrange(1, 4_000)) for name in names]
            said |= dict(zip(names, await asyncio.gather(*ends), strict=True))

        await meters.flush()

        counted = await meters._manager.store(UsageStore).totals(tenant, datetime.now(UTC).strftime("%Y-%m"))
        for meter, number in said.items():  # the last count may be in it whose end the process could not tell any more
            assert counted[meter] in {number * (number + 1) // 2, (number + 1) * (number + 2) // 2}
        assert files(folder) == []

    async def test_between_adding_and_removing_is_counted_once(self, meters, registry_url, folder, tenant):
        async with counting(registry_url, folder, "notes", "removal") as child:
            _, errors = await child.communicate()
        assert (child.returncode, errors, len(files(folder))) == (-9, b"", 1)
        this_month = datetime.now(UTC).strftime("%Y-%m")
        store = meters._manager.store(UsageStore)
        assert await store.totals(tenant, this_month) == {"notes": 55}

        await meters.flush()

        assert await store.totals(tenant, this_month) == {"notes": 55}
        assert files(folder) == []


class TestFullDisk:
    @pytest.mark.system
    async def test_fails_no_count_and_is_told(self, meters, registry_url, folder, tenant):
        async with counting(registry_url, folder, "notes", "full") as child:
            out, errors = await child.communicate()

        assert (child.returncode, len(out.splitlines())) == (0, 10)
        assert b"the disk does not take usage ([Errno" in errors
        counted = await meters._manager.store(UsageStore).totals(tenant, datetime.now(UTC).strftime("%Y-%m"))
        assert counted == {"notes": 55}

    async def test_that_takes_no_folder_either_is_told_once_and_used_again(self, meters, folder, tenant, caplog):
        (folder / "in the way").parent.mkdir(parents=True, exist_ok=True)
        place = folder / str(meters._manager.identity.registry_id)
        place.write_text("a file where a folder is to be")
        for _ in range(3):
            meters.count("notes", tenant_id=tenant)
            await meters.flush()
        place.unlink()
        meters.count("notes", tenant_id=tenant)

        assert caplog.text.count("the disk does not take usage") == 1
        assert len(files(folder)) == 1
        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 4}


class TestWithoutJournal:
    async def test_counts_reach_the_registry_without_being_asked(self, new_meters, manager, tenant, folder):
        meters = await new_meters(folder=None)
        meters.count("notes", 2, tenant_id=tenant)

        seen: dict[str, float] = {}
        for _ in range(10_000):  # looks, each of which takes as long as a query
            seen = seen or await manager.store(UsageStore).totals(tenant, "2026-03")
        assert seen == {"notes": 2}
        assert not folder.exists()


class TestRegistryAway:
    @pytest.fixture
    def away(self, registry_url, server):
        """Keep everybody out of the registry, until it is called."""
        name = psycopg.conninfo.conninfo_to_dict(registry_url)["dbname"]
        server.rows(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        server.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
        return lambda: server.rows(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')

    @pytest.mark.parametrize("with_journal", [True, False])
    async def test_fails_no_count_and_loses_none(self, new_meters, folder, tenant, request, with_journal):
        meters = await new_meters(folder=folder if with_journal else None)
        back = request.getfixturevalue("away")
        for _ in range(3):
            meters.count("notes", tenant_id=tenant)
            with pytest.raises(ServiceNotReady):
                await meters.flush()
        assert len(files(folder)) == (2 if with_journal else 0)  # one to be added, and one that grows
        back()

        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 3}

    async def test_is_told_when_it_begins_and_when_it_ends(self, new_meters, folder, tenant, request, caplog):
        caplog.set_level(logging.WARNING)
        meters = await new_meters(folder=folder)
        back = request.getfixturevalue("away")
        meters.count("notes", tenant_id=tenant)
        await meters._flush_or_tell()
        await meters._flush_or_tell()
        back()
        await meters._flush_or_tell()

        told = [record.message for record in caplog.records if record.name == "mt_paas.core.usage.meters"]
        assert [message.split(",")[0] for message in told] == [
            "usage can not be added to the registry",
            "usage is added to the registry again",
        ]


class TestJournalOfAnotherVersion:
    async def test_is_kept_where_it_is_not_understood(self, meters, folder, tenant, caplog):
        place = folder / str(meters._manager.identity.registry_id)
        place.mkdir(parents=True)
        (place / "0123.usage").write_text("+ 2026-03-01 hallym_univ notes 5\nsomething else\n")

        assert await meters.totals("2026-03", tenant_id=tenant) == {"notes": 5}
        assert [path.name for path in files(folder)] == ["0123.strange"]
        assert "1 lines of" in caplog.text


class TestPurge:
    async def test_deletes_what_was_counted_and_says_so(self, meters, manager, registry_url, tenant):
        meters.count("notes", tenant_id=tenant)
        await meters.flush()
        await manager.deactivate_tenant(tenant)
        meters.count("notes", tenant_id=tenant)

        await manager.purge_tenant(tenant)
        await meters.flush()

        assert "usage" in (await manager.receipt(tenant)).deleted
        with psycopg.connect(registry_url) as connection:
            assert connection.execute("SELECT count(*) FROM mt_usage").fetchall() == [(0,)]
