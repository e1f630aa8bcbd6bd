"""What migrations make in the places of tenants, whatever the isolation."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

KINDS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT")


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
            if kind in {
                "DATABASE_PER_TENANT",
                "DOCKER_PER_TENANT",
            }:  # its own, and a role that changes it harms nobody else
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

    async def test_alembic_looks_for_its_table_in_one_of_them(self, scripts, release, tenants_of, migrate):
        said: list[str] = []

        def note(_connection, _cursor, statement, *_):
            said.append(statement)

        async with release() as manager:
            await tenants_of(manager).activate("hallym_univ")
        scripts.release("two")
        async with release() as manager:
            event.listen(Engine, "before_cursor_execute", note)
            try:
                assert (await migrate(manager)).is_whole
            finally:
                event.remove(Engine, "before_cursor_execute", note)
        assert any("pg_class" in statement for statement in said)
        assert not any("pg_table_is_visible" in statement for statement in said)  # which reads those of all schemas

    async def test_alembic_runs_once_for_many_of_them(self, scripts, release, tenants_of, tmp_path):
        log = tmp_path / "runs"
        scripts.release(two=f"def upgrade():\n    with open({str(log)!r}, 'a') as log:\n        log.write('x')\n")
        async with release() as manager:
            await tenants_of(manager).activate("first_univ")
            once = log.read_text()
            await tenants_of(manager).activate("second_univ", "third_univ")
            assert log.read_text() == once


class TestContainers:
    async def test_one_whose_address_is_anothers_fails_and_the_others_go_on(
        self, scripts, release, tenants_of, migrate, containers
    ):
        async with release("DOCKER_PER_TENANT") as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ", "last_univ", "other_univ")
            for tenant_id in ("hallym_univ", "last_univ", "other_univ"):
                await tenants.write(tenant_id, tenant_id)
        scripts.release("two")
        containers.replace("hallym_univ", containers.names["other_univ"])
        async with release("DOCKER_PER_TENANT") as manager:
            tenants = tenants_of(manager)
            report = await migrate(manager)
            failed = {outcome.tenant_id: outcome for outcome in report.of("failed")}
            assert failed.keys() == {"hallym_univ", "other_univ"}
            assert "another's: mt_paas tenant other_univ of" in failed["hallym_univ"].reason
            assert not any(outcome.is_quarantined for outcome in failed.values())
            assert [outcome.tenant_id for outcome in report.of("migrated")] == ["last_univ"]
            assert await tenants.ask("last_univ", "SELECT length FROM note") == len("last_univ")

            containers.replace("hallym_univ", containers.names["other_univ"])
            assert (await migrate(manager)).is_whole
            for tenant_id in ("hallym_univ", "other_univ"):
                assert await tenants.ask(tenant_id, "SELECT length FROM note") == len(tenant_id)

    @pytest.fixture
    def let_in(self, containers, server):
        """Have the database of a tenant's containers accept connections, or not."""

        def change(tenant_id: str, accepts: str) -> None:
            server.rows(f'ALTER DATABASE "{containers.names[tenant_id]}" ALLOW_CONNECTIONS {accepts}')

        return change

    async def test_that_do_not_answer_are_left_for_the_next_run(self, scripts, release, tenants_of, migrate, let_in):
        async with release("DOCKER_PER_TENANT") as manager:
            await tenants_of(manager).activate("hallym_univ", "other_univ")
        scripts.release("two")
        async with release("DOCKER_PER_TENANT") as manager:
            let_in("hallym_univ", "false")
            report = await migrate(manager)
            assert [(each.tenant_id, each.is_quarantined) for each in report.of("failed")] == [("hallym_univ", False)]
            let_in("hallym_univ", "true")
            assert (await migrate(manager)).is_whole
            assert (await manager.get_tenant("hallym_univ")).revision == "two"


@pytest.fixture
def release_by_asyncpg(release, registry_url, containers):
    """As ``release``, by the other driver."""
    containers.driver = "postgresql+asyncpg"
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
