"""What migrations make in the places of tenants, whatever the isolation."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

KINDS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES")


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


class TestNewTenants:
    async def test_has_the_tables_of_the_head_and_not_those_of_the_metadata(self, scripts, release, tenants_of, kind):
        scripts.release("two", "three")
        async with release(kind) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "other_univ")
            await tenants.write("hallym_univ", "ours")
            await tenants.write("other_univ", "ours")  # the same text, which is unique in each tenant

            assert await tenants.read("hallym_univ") == ["ours"]
            assert await tenants.ask("hallym_univ", "SELECT count(length) FROM note") == 0
            with pytest.raises(DBAPIError, match="uq_note_text"):
                await tenants.write("hallym_univ", "ours")
            assert (await manager.get_tenant("hallym_univ")).revision == "three"

    async def test_existing_ones_are_brought_on_with_their_rows(self, scripts, release, tenants_of, migrate, kind):
        async with release(kind) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "other_univ")
            await tenants.write("hallym_univ", "four")
            assert (await manager.get_tenant("hallym_univ")).revision == "one"
        scripts.release("two", "three")
        async with release(kind) as manager:
            tenants = tenants_of(manager)
            report = await migrate(manager)

            assert report.is_whole
            assert report.target == "three"
            assert await tenants.ask("hallym_univ", "SELECT length FROM note") == 4
            await tenants.write("other_univ", "four")
            assert await tenants.read("other_univ") == ["four"]
            assert {(await manager.get_tenant(name)).revision for name in ("hallym_univ", "other_univ")} == {"three"}

    async def test_a_tenant_can_not_touch_the_table_of_versions(self, release, tenants_of, kind):
        async with release(kind) as manager:
            await tenants_of(manager).activate("hallym_univ")
            if kind == "DATABASE_PER_TENANT":  # its own, and a role that changes it harms nobody else
                return
            with pytest.raises(DBAPIError, match="permission denied"):
                await tenants_of(manager).ask("hallym_univ", "SELECT version_num FROM alembic_version")


class TestSharedTables:
    async def test_a_reference_stays_within_its_tenant(self, release, tenants_of):
        async with release("SHARED_TABLES") as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "other_univ")
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(text("INSERT INTO kind (id, name) OVERRIDING SYSTEM VALUE VALUES (7, 'mine')"))
            with pytest.raises(DBAPIError, match="fk_note_kind"):
                async with manager.get_tenant_session("other_univ") as session:
                    await session.execute(text("INSERT INTO note (kind_id) VALUES (7)"))

    async def test_a_table_made_by_hand_without_its_tenant_is_refused_and_nothing_stays(
        self, scripts, release, tenants_of, migrate
    ):
        async with release("SHARED_TABLES") as manager:
            await tenants_of(manager).activate("hallym_univ")
        scripts.release(two="def upgrade():\n    op.execute('CREATE TABLE loose (id int)')\n")
        async with release("SHARED_TABLES") as manager:
            (outcome,) = (await migrate(manager)).outcomes

            assert outcome.result == "failed"
            assert outcome.tenant_id is None
            assert "loose has no column tenant_id" in outcome.reason
            assert (await manager.get_tenant("hallym_univ")).revision == "one"
            assert await tenants_of(manager).read("hallym_univ") == []

    async def test_a_purge_deletes_from_the_tables_of_a_release_that_came_since(
        self, scripts, release, tenants_of, migrate, server
    ):
        async with release("SHARED_TABLES") as old:
            await tenants_of(old).activate("hallym_univ", "other_univ")
            table = 'op.create_table("later", sa.Column("word", sa.Text))'
            scripts.release(two=f"def upgrade():\n    {table}\n")
            async with release("SHARED_TABLES") as new:
                assert (await migrate(new)).is_whole
                async with new.get_tenant_session("hallym_univ") as session:
                    await session.execute(text("INSERT INTO later (word) VALUES ('gone')"))
            await old.deactivate_tenant("hallym_univ", preserve_data=False)
            async with old._parts.isolation.shared.owner() as owner:
                assert await owner.scalar(text("SELECT count(*) FROM later")) == 0


class TestSchemas:
    async def test_scripts_that_read_the_database_work_too(self, scripts, release, tenants_of):
        reads = "names = sa.inspect(op.get_bind()).get_table_names()"
        table = 'op.create_table("seen", *[sa.Column(name, sa.Text) for name in names if name == "note"])'
        scripts.release(two=f"def upgrade():\n    {reads}\n    {table}\n")
        async with release() as manager:
            await tenants_of(manager).activate("hallym_univ", "other_univ")
            assert await tenants_of(manager).ask("other_univ", "SELECT count(note) FROM seen") == 0
            assert (await manager.get_tenant("other_univ")).revision == "two"

    async def test_rows_that_migrations_write_are_in_every_new_schema(self, scripts, release, tenants_of):
        rows = 'op.bulk_insert(sa.table("kind", sa.column("name", sa.Text)), [{"name": "it\'s 100% $$ :x"}])'
        scripts.release(two=f"def upgrade():\n    {rows}\n")
        async with release() as manager:
            await tenants_of(manager).activate("hallym_univ", "other_univ")
            for tenant in ("hallym_univ", "other_univ"):
                assert await tenants_of(manager).ask(tenant, "SELECT name FROM kind") == "it's 100% $$ :x"

    async def test_alembic_runs_once_for_many_of_them(self, scripts, release, tenants_of, tmp_path):
        log = tmp_path / "runs"
        scripts.release(two=f"def upgrade():\n    with open({str(log)!r}, 'a') as log:\n        log.write('x')\n")
        async with release() as manager:
            await tenants_of(manager).activate("first_univ")
            once = log.read_text()
            await tenants_of(manager).activate("second_univ", "third_univ")
            assert log.read_text() == once


@pytest.fixture
def release_by_asyncpg(release, registry_url):
    """As ``release``, by the other driver."""
    return partial(release, database_url=registry_url.replace("postgresql://", "postgresql+asyncpg://"))


async def test_all_of_it_works_by_asyncpg_too(kind, scripts, release_by_asyncpg, tenants_of, migrate):
    async with release_by_asyncpg(kind) as manager:
        await tenants_of(manager).activate("hallym_univ")
        await tenants_of(manager).write("hallym_univ", "four")
    scripts.release("two")
    async with release_by_asyncpg(kind) as manager:
        assert (await migrate(manager)).is_whole
        await tenants_of(manager).activate("other_univ")
        assert await tenants_of(manager).ask("hallym_univ", "SELECT length FROM note") == 4
        assert await tenants_of(manager).read("other_univ") == []
