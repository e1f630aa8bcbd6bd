"""What is remembered of tenants and keys is never older than what the registry has told."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from mt_paas.core import lookups as lookups_module
from mt_paas.core.models import CHANGES
from mt_paas.errors import TenantBlocked, TenantNotFound
from mt_paas.utils.security import digest_token


async def until(happened) -> None:
    """Return when ``happened()`` is true, which it is to become by itself."""
    async with asyncio.timeout(20):
        while not await happened():  # noqa: ASYNC110 - it happens on the server, which sets no event of ours
            await asyncio.sleep(0.01)


@pytest.fixture
async def lookups(manager):
    async def listening() -> bool:
        return manager.lookups._listening

    await until(listening)
    return manager.lookups


@pytest.fixture
async def other(new_manager):
    """What another process would have."""
    async with new_manager() as other:
        yield other


class TestTenants:
    async def test_one_that_was_looked_up_is_remembered(self, manager, tenants, lookups):
        await tenants.activate("hallym_univ")

        async def remembered() -> bool:
            await manager.get_tenant("hallym_univ")
            return "hallym_univ" in lookups._tenants

        await until(remembered)
        assert await manager.get_tenant("hallym_univ") is await manager.get_tenant("hallym_univ")

    async def test_one_that_another_process_suspends_is_blocked_here(self, manager, tenants, lookups, other):
        await tenants.activate("hallym_univ")
        await tenants.read("hallym_univ")
        await other.suspend_tenant("hallym_univ", "unpaid")

        async def blocked() -> bool:
            try:
                await tenants.read("hallym_univ")
            except TenantBlocked:
                return True
            return False

        await until(blocked)

    async def test_one_that_is_suspended_here_is_blocked_at_once(self, manager, tenants, lookups):
        await tenants.activate("hallym_univ")
        await tenants.read("hallym_univ")
        await manager.suspend_tenant("hallym_univ", "unpaid")
        with pytest.raises(TenantBlocked):
            await tenants.read("hallym_univ")

    async def test_one_that_does_not_exist_is_asked_for_each_time(self, manager, lookups, tenants):
        with pytest.raises(TenantNotFound):
            await manager.get_tenant("hallym_univ")
        await tenants.activate("hallym_univ")
        assert (await manager.get_tenant("hallym_univ")).activation == 1

    async def test_an_answer_that_a_change_overtook_is_not_remembered(self, manager, tenants, lookups):
        await tenants.activate("hallym_univ")
        stale = await manager._parts.registry.get("hallym_univ")
        lookups.forget("hallym_univ")

        async def slowly(tenant_id: str):
            lookups.forget(tenant_id)
            return stale

        assert await lookups.tenant("hallym_univ", slowly) is stale
        assert "hallym_univ" not in lookups._tenants

    async def test_nothing_is_remembered_while_nobody_listens(self, manager, tenants, lookups, registry_url):
        await tenants.activate("hallym_univ")
        await tenants.read("hallym_univ")
        before = lookups._changes

        with psycopg.connect(registry_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        async def noticed() -> bool:
            return lookups._changes > before and not lookups._listening

        await until(noticed)
        assert not lookups._tenants
        assert await tenants.read("hallym_univ") == []
        assert not lookups._tenants

        async def again() -> bool:
            return lookups._listening

        await until(again)

    async def test_who_starts_anew_listens_at_no_older_registry(self, manager, tenants, lookups):
        """What hears of another registry's changes would tell that those of this one are heard of."""
        await tenants.activate("hallym_univ")
        await tenants.read("hallym_univ")
        older = lookups._task

        await lookups.start(manager._parts.engine.url)

        assert older.done()
        assert not lookups._tenants

    async def test_every_change_is_told_whoever_makes_it(self, manager, tenants, lookups, registry_url):

        await tenants.activate("hallym_univ")
        with psycopg.connect(registry_url, autocommit=True) as heard, psycopg.connect(registry_url) as connection:
            heard.execute(f"LISTEN {CHANGES}")
            connection.execute("UPDATE mt_tenant SET name = 'by hand' WHERE tenant_id = 'hallym_univ'")
            connection.commit()
            assert [note.payload for note in heard.notifies(timeout=10, stop_after=1)] == ["hallym_univ"]


class TestKeys:
    async def test_one_that_another_process_ends_opens_nothing_here(self, manager, tenants, lookups, other):
        await tenants.activate("hallym_univ")
        new = await manager.access_keys.create("hallym_univ", name="a program")
        digest = digest_token(new.secret)
        assert (await manager.find_access_key(digest)).tenant_id == "hallym_univ"
        await other.access_keys.revoke("hallym_univ", new.key.key_id)

        async def ended() -> bool:
            return not (await manager.find_access_key(digest)).is_valid(manager.clock())

        await until(ended)

    async def test_one_that_is_ended_here_opens_nothing_at_once(self, manager, tenants, lookups):
        await tenants.activate("hallym_univ")
        new = await manager.access_keys.create("hallym_univ", name="a program")
        digest = digest_token(new.secret)
        await manager.find_access_key(digest)
        await manager.access_keys.revoke("hallym_univ", new.key.key_id)
        assert not (await manager.find_access_key(digest)).is_valid(manager.clock())

    async def test_of_one_that_is_forgotten_for_another_nothing_is_kept(self, manager, tenants, lookups, monkeypatch):
        monkeypatch.setattr(lookups_module, "SIZE", 1)
        await tenants.activate("hallym_univ", "other_univ")
        for tenant_id in ("hallym_univ", "other_univ"):
            secret = (await manager.access_keys.create(tenant_id, name="a program")).secret

            async def remembered(digest: str = digest_token(secret)) -> bool:
                await manager.find_access_key(digest)
                return digest in lookups._keys

            await until(remembered)
        assert len(lookups._keys) == 1
        assert set(lookups._keys_of) == {"other_univ"}
