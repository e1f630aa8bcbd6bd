"""What the market and the users see of a service whose tenants are behind, or in quarantine."""

from __future__ import annotations

import pytest
from mt_paas.core.handler import HandlerOptions, ManagedTenantHandler
from mt_paas.core.migrations.store import RevisionStore
from mt_paas.errors import ServiceNotReady
from sqlalchemy import event
from sqlalchemy.pool import Pool


@pytest.fixture
async def behind(scripts, release, tenants_of):
    async with release() as manager:
        await tenants_of(manager).activate("hallym_univ")
        await tenants_of(manager).write("hallym_univ", "older")
    scripts.release("two")


def handler_of(manager, manifest, tmp_path) -> ManagedTenantHandler:
    return ManagedTenantHandler(manager, manifest, HandlerOptions(export_folder=tmp_path / "exports"))


async def test_users_of_tenants_that_are_behind_are_served_and_the_health_says_so(
    behind, release, tenants_of, manifest, tmp_path
):
    async with release() as manager:
        assert await tenants_of(manager).read("hallym_univ") == ["older"]
        health = await handler_of(manager, manifest, tmp_path).health()
        assert (health.status, health.checks["migrations"].status) == ("degraded", "degraded")


async def test_they_are_refused_where_the_code_can_not_work_with_older_tables(behind, release, tenants_of, migrate):
    async with release(refuse_behind=True) as manager:
        with pytest.raises(ServiceNotReady, match="waits for a migration"):
            await tenants_of(manager).read("hallym_univ")
        await migrate(manager)
        assert await tenants_of(manager).read("hallym_univ") == ["older"]


async def test_tenants_that_are_further_than_the_code_are_served(behind, scripts, release, tenants_of, migrate):
    async with release() as manager:
        await migrate(manager)
    (scripts.folder / "versions/two.py").unlink()
    async with release(refuse_behind=True) as older:
        assert await tenants_of(older).read("hallym_univ") == ["older"]
        assert await older.tenants_behind() == 0
        await older.deactivate_tenant("hallym_univ")
        await older.reactivate_tenant("hallym_univ")
        assert (await older.get_tenant("hallym_univ")).revision == "two"


async def test_the_health_is_well_when_all_are_at_the_head(behind, release, migrate, manifest, tmp_path):
    async with release() as manager:
        await migrate(manager)
        health = await handler_of(manager, manifest, tmp_path).health()
        assert (health.status, set(health.checks)) == ("healthy", {"database"})


async def test_the_market_gets_the_status_of_one_in_quarantine_and_may_purge_it(
    behind, release, tenants_of, manifest, tmp_path
):
    async with release() as manager:
        handler = handler_of(manager, manifest, tmp_path)
        await manager.store(RevisionStore).quarantine("hallym_univ", "for this test", found_at="one")

        assert (await handler.get_tenant_status("hallym_univ")).status == "active"
        with pytest.raises(ServiceNotReady):
            await tenants_of(manager).read("hallym_univ")
        await manager.deactivate_tenant("hallym_univ", preserve_data=False)
        assert (await manager.get_tenant("hallym_univ")).status == "purged"


async def test_the_head_is_known_without_a_connection_to_the_tenant(behind, release, prefix):
    opened: list[str] = []

    def note(connection, _record):
        opened.append(connection.driver_connection.info.dbname)

    async with release() as manager:
        event.listen(Pool, "connect", note)
        try:
            assert await manager.tenants_behind() == 1
        finally:
            event.remove(Pool, "connect", note)
    assert [name for name in opened if "shared" in name] == []
