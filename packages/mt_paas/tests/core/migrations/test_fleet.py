"""All tenants brought to one revision: who is opened, who fails, who is left, and what the report says."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest
from alembic import op
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.migrations.apart import Apart
from mt_paas.core.migrations.one import hold
from mt_paas.core.migrations.scripts import Request
from mt_paas.core.migrations.store import RevisionStore
from mt_paas.errors import ConfigurationError, MoveFailed, ServiceNotReady
from sqlalchemy import event, text
from sqlalchemy.pool import Pool
from sqlalchemy.util import await_only

ALL = ("first_univ", "hallym_univ", "other_univ")
BOTH = IsolationPlan(default="SCHEMA_PER_TENANT", supported=("SCHEMA_PER_TENANT", "DATABASE_PER_TENANT"))


@pytest.fixture
async def behind(scripts, release, tenants_of):
    """Three tenants with rows, and a release that they do not have yet; in hallym's rows a text is there twice."""
    async with release() as manager:
        tenants = tenants_of(manager)
        await tenants.activate(*ALL)
        for tenant_id, words in zip(ALL, (["a"], ["b", "b"], ["c"]), strict=True):
            for word in words:
                await tenants.write(tenant_id, word)
    scripts.release("two")


@pytest.fixture
async def manager(behind, release):
    async with release() as manager:
        yield manager


async def revisions(manager) -> list[str | None]:
    return [(await manager.get_tenant(tenant_id)).revision for tenant_id in ALL]


class TestWhoIsOpened:
    async def test_those_at_the_head_are_not_connected_to(self, scripts, release, tenants_of, migrate, prefix):
        opened: list[str] = []

        def note(connection, _record):
            opened.append(connection.driver_connection.info.dbname)

        async with release("DATABASE_PER_TENANT") as manager:
            await tenants_of(manager).activate("hallym_univ", "other_univ")
            event.listen(Pool, "connect", note)
            try:
                report = await migrate(manager)
                at_head = [name for name in opened if name.startswith(prefix)]
                await migrate(manager, verify=True)
            finally:
                event.remove(Pool, "connect", note)

        assert report.is_whole
        assert (report.skipped, report.outcomes, at_head) == (2, (), [])
        assert {f"{prefix}hallym_univ", f"{prefix}other_univ"} <= set(opened)

    async def test_several_work_at_once_each_with_its_own_alembic(self, manager, migrate):
        report = await migrate(manager, jobs=3)
        assert report.is_whole
        assert {outcome.result for outcome in report.outcomes} == {"migrated"}
        assert await revisions(manager) == ["two"] * 3

    async def test_alembics_modules_are_exchanged_whenever_work_goes_on(self):
        async def mark(name: str) -> str:
            op.mark = name  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            return op.mark  # type: ignore[attr-defined]

        assert await asyncio.gather(Apart(mark("a")), Apart(mark("b"))) == ["a", "b"]
        assert not hasattr(op, "mark")

    async def test_a_cancelled_migration_leaves_nothing_of_itself(self):
        begun = asyncio.Event()

        async def mark() -> None:
            op.mark = "here"  # type: ignore[attr-defined]
            begun.set()
            await asyncio.Event().wait()

        async def work() -> None:
            await Apart(mark())

        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not hasattr(op, "mark")

    async def test_deactivated_ones_are_migrated_and_come_back_with_their_rows(self, manager, migrate, tenants_of):
        await manager.deactivate_tenant("first_univ")
        assert (await migrate(manager)).is_whole
        assert await revisions(manager) == ["two"] * 3
        await manager.reactivate_tenant("first_univ")
        assert await tenants_of(manager).ask("first_univ", "SELECT length FROM note") == 1

    async def test_one_that_comes_back_before_the_run_gets_the_head(self, manager, tenants_of):
        await manager.deactivate_tenant("first_univ")
        await manager.reactivate_tenant("first_univ")
        assert await revisions(manager) == ["two", "one", "one"]
        assert await tenants_of(manager).ask("first_univ", "SELECT length FROM note") == 1

    async def test_one_that_an_older_process_activates_meanwhile_is_taken_too(
        self, scripts, release, migrate, tenants_of, monkeypatch
    ):
        async with release() as old:
            await tenants_of(old).activate("hallym_univ")
            asks = "import fleet_hook\n\n\ndef upgrade():\n    fleet_hook.meanwhile()\n"
            scripts.release(two=asks)

            def meanwhile() -> None:
                monkeypatch.setattr(hook, "meanwhile", lambda: None)
                await_only(tenants_of(old).activate("late_univ"))

            hook = SimpleNamespace(meanwhile=meanwhile)
            monkeypatch.setitem(sys.modules, "fleet_hook", hook)
            async with release() as new:
                report = await migrate(new)
                assert (await new.get_tenant("late_univ")).revision == "two"

        assert [outcome.tenant_id for outcome in report.outcomes] == ["hallym_univ", "late_univ"]

    async def test_one_that_is_held_is_told_and_left(self, manager, migrate):
        async with manager.operation("hallym_univ"):
            report = await migrate(manager)
        (held,) = report.of("held")
        assert held.tenant_id == "hallym_univ"
        assert not report.is_whole
        assert await revisions(manager) == ["two", "one", "two"]

    async def test_two_runs_at_once_migrate_nobody_twice(self, scripts, manager, release, migrate):
        async with release() as other:
            reports = await asyncio.gather(migrate(manager), migrate(other))
        migrated = [outcome.tenant_id for report in reports for outcome in report.of("migrated")]
        assert sorted(migrated) == sorted(ALL)
        assert [report.of("failed") for report in reports] == [[], []]


class TestWhoFails:
    @pytest.fixture
    def harder(self, behind, scripts) -> None:
        scripts.release("three")

    async def test_is_quarantined_and_the_others_go_on(self, harder, release, migrate, tenants_of):
        async with release() as manager:
            report = await migrate(manager)

            (failed,) = report.of("failed")
            assert (failed.tenant_id, failed.is_quarantined) == ("hallym_univ", True)
            assert failed.reason == 'could not create unique index "uq_note_text" (SQLSTATE 23505)'
            assert not report.is_whole
            assert await revisions(manager) == ["three", "one", "three"]  # none of its migrations, or all
            assert (await manager.get_tenant("hallym_univ")).quarantine_reason == failed.reason
            with pytest.raises(ServiceNotReady, match="hallym_univ waits for the service's operator"):
                await tenants_of(manager).read("hallym_univ")
            with pytest.raises(ServiceNotReady):
                async with manager.visit(await manager.get_tenant("hallym_univ")):
                    pass
            assert await tenants_of(manager).read("other_univ") == ["c"]

    async def test_is_left_alone_until_it_is_asked_for(self, harder, release, migrate, tenants_of):
        async with release() as manager:
            await migrate(manager)
            again = await migrate(manager)
            assert [(each.tenant_id, each.result) for each in again.outcomes] == [("hallym_univ", "quarantined")]
            assert not again.is_whole
            async with manager.isolation.owner(await manager.get_tenant("hallym_univ")) as owner:
                await owner.execute(text("UPDATE note SET text = text || id"))

            repaired = await migrate(manager, retry=True)

            assert repaired.is_whole
            assert (await manager.get_tenant("hallym_univ")).quarantined_at is None
            assert await tenants_of(manager).ask("hallym_univ", "SELECT count(*) FROM note") == 2

    async def test_is_not_quarantined_where_another_run_has_brought_it_on_meanwhile(self, harder, release):
        async with release() as manager:
            before = await revisions(manager)
            await manager.store(RevisionStore).reached("hallym_univ", "three")

            closed = await manager.store(RevisionStore).quarantine("hallym_univ", "failed", found_at=before[1])

            assert not closed
            assert (await manager.get_tenant("hallym_univ")).quarantined_at is None
            assert await manager.store(RevisionStore).quarantine("other_univ", "failed", found_at=before[2])

    async def test_is_open_again_when_the_tables_are_migrated_that_it_shares_by_now(
        self, scripts, release, migrate, tenants_of
    ):
        """It failed in a schema of its own, was moved into shared tables at its revision, and these are brought on."""
        plan = IsolationPlan(default="SCHEMA_PER_TENANT", supported=("SCHEMA_PER_TENANT", "SHARED_TABLES"))
        async with release(isolation=plan) as manager:
            await tenants_of(manager).activate("hallym_univ")
            await tenants_of(manager).write("hallym_univ", "b")
            await manager.store(RevisionStore).quarantine("hallym_univ", "failed", found_at="one")
            await manager.move_tenant("hallym_univ", "SHARED_TABLES")
        scripts.release("two")
        async with release(isolation=plan) as manager:
            report = await migrate(manager)

            assert report.is_whole
            tenant = await manager.get_tenant("hallym_univ")
            assert (tenant.revision, tenant.quarantined_at, tenant.quarantine_reason) == ("two", None, None)
            assert await tenants_of(manager).read("hallym_univ") == ["b"]

    async def test_no_further_one_is_begun_after_the_failures_that_are_allowed(self, behind, scripts, release, migrate):
        scripts.release(three="def upgrade():\n    op.execute('SELECT 1 / (SELECT count(*) - count(*) FROM note)')\n")
        async with release() as manager:
            report = await migrate(manager, jobs=1, max_failures=1)
        assert (len(report.outcomes), report.is_complete, report.is_whole) == (1, False, False)

    async def test_who_waits_too_long_for_a_lock_is_not_quarantined(self, manager, release, migrate):
        tenant = await manager.get_tenant("hallym_univ")
        async with manager.isolation.owner(tenant) as owner:
            await owner.execute(text("LOCK TABLE note"))
            report = await migrate(manager, jobs=3, lock_timeout=0.1)
        (failed,) = report.of("failed")
        assert (failed.tenant_id, failed.is_quarantined) == ("hallym_univ", False)
        assert "lock timeout" in failed.reason
        assert (await migrate(manager)).is_whole

    async def test_a_migration_that_is_still_at_its_commit_keeps_others_from_its_tenant_alone(self, manager, migrate):
        tenant = await manager.get_tenant("hallym_univ")
        async with manager.isolation.owner(tenant) as owner:  # whose process is dead, and its lock in the registry gone
            await hold(owner, tenant.database, Request())
            report = await migrate(manager, jobs=3, lock_timeout=0.1)
        assert [each.tenant_id for each in report.of("failed")] == ["hallym_univ"]
        assert len(report.of("migrated")) == 2

    async def test_an_env_that_connects_by_itself_is_refused_before_it_runs_anything(
        self, behind, scripts, release, migrate, registry_url
    ):
        url = registry_url.replace("postgresql://", "postgresql+psycopg://")
        connects = (
            f"from alembic import context\nfrom sqlalchemy import create_engine, NullPool\n\n"
            f"with create_engine({url!r}, poolclass=NullPool).connect() as connection:\n"
            "    context.configure(connection=connection)\n"
            "    with context.begin_transaction():\n        context.run_migrations()\n"
        )
        async with release() as manager:
            scripts.write_env(connects)
            report = await migrate(manager)
            assert {each.is_quarantined for each in report.of("failed")} == {False}
            assert 'must use connection = context.config.attributes["connection"]' in report.outcomes[0].reason
            async with manager._parts.engine.connect() as connection:
                assert await connection.scalar(text("SELECT to_regclass('note')")) is None

    async def test_what_is_no_part_of_a_transaction_is_refused(self, behind, scripts, release, migrate):
        block = "with op.get_context().autocommit_block():\n        op.execute('VACUUM')"
        scripts.release(three=f"def upgrade():\n    {block}\n")
        async with release() as manager:
            report = await migrate(manager)
            assert "uses autocommit_block" in report.outcomes[0].reason
            assert await revisions(manager) == ["one"] * 3


class TestWhatIsAsked:
    async def test_a_dry_run_tells_and_changes_nothing(self, manager, migrate):
        report = await migrate(manager, dry_run=True)
        assert [(each.tenant_id, each.before, each.after) for each in report.of("behind")] == [
            (tenant_id, "one", "two") for tenant_id in ALL
        ]
        assert report.is_whole
        assert await revisions(manager) == ["one"] * 3

    async def test_a_revision_in_between(self, behind, scripts, release, migrate):
        scripts.release("three")
        async with release() as manager:
            assert (await migrate(manager, to="two")).target == "two"
            assert await revisions(manager) == ["two"] * 3

    async def test_back_only_when_that_is_asked_for(self, manager, migrate, tenants_of):
        await migrate(manager)
        with pytest.raises(ConfigurationError, match="3 tenants are at revision two, beyond one: a downgrade"):
            await migrate(manager, to="one")
        assert (await migrate(manager, to="one", downgrade=True)).is_whole
        assert await revisions(manager) == ["one"] * 3
        assert await tenants_of(manager).read("first_univ") == ["a"]

    async def test_an_older_service_than_the_tenants_changes_nothing(self, manager, migrate, scripts, release):
        await migrate(manager)
        (scripts.folder / "versions/two.py").unlink()
        async with release() as older:
            with pytest.raises(ConfigurationError, match="3 tenants are at revision two, which the migrations in"):
                await migrate(older)

    async def test_a_revision_that_is_not_there(self, manager, migrate):
        with pytest.raises(ConfigurationError, match="nowhere"):
            await migrate(manager, to="nowhere")

    async def test_a_service_without_migrations_is_told_how_to_have_some(self, release, migrate):
        async with release(migrations=None) as manager:
            with pytest.raises(ConfigurationError, match="MT_MIGRATIONS"):
                await migrate(manager)

    async def test_verify_finds_what_the_registry_does_not_know(self, manager, migrate, tenants_of):
        await migrate(manager)
        store = manager.store(RevisionStore)
        await store.reached("first_univ", "one")  # as if killed before it was written down
        tenant = await manager.get_tenant("other_univ")
        async with manager.isolation.owner(tenant) as owner:  # as if somebody restored an older copy
            await owner.execute(text("ALTER TABLE note DROP COLUMN length"))
            await owner.execute(text("UPDATE alembic_version SET version_num = 'one'"))

        known = await migrate(manager)
        assert [(each.tenant_id, each.result) for each in known.outcomes] == [("first_univ", "current")]
        verified = await migrate(manager, verify=True)
        assert [each.tenant_id for each in verified.of("migrated")] == ["other_univ"]
        assert await tenants_of(manager).ask("other_univ", "SELECT length FROM note") == 1

    async def test_tables_from_before_there_were_migrations_have_a_baseline(
        self, scripts, release, migrate, tenants_of
    ):
        await _make_without_migrations(release, tenants_of)
        scripts.release("two")
        async with release() as manager:
            assert (await migrate(manager, baseline="one")).is_whole
            assert await tenants_of(manager).ask("hallym_univ", "SELECT length FROM note") == 4

    async def test_without_one_the_failure_says_what_is_wanted(self, scripts, release, migrate, tenants_of):
        await _make_without_migrations(release, tenants_of)
        scripts.release("two")
        async with release() as manager:
            (failed,) = (await migrate(manager)).of("failed")
            assert "already exists" in failed.reason
            assert "name the revision that they are at (--baseline)" in failed.reason
            assert (await migrate(manager, baseline="one", retry=True)).is_whole

    async def test_without_one_nobody_is_moved_or_copied_to_tables_of_another_revision(
        self, scripts, release, migrate, tenants_of
    ):
        await _make_without_migrations(release, tenants_of)
        scripts.release("two")
        async with release(isolation=BOTH) as manager:
            with pytest.raises(MoveFailed, match="with the revision that its tables are at"):
                await manager.move_tenant("hallym_univ", "DATABASE_PER_TENANT")
            assert await tenants_of(manager).ask("hallym_univ", "SELECT text FROM note") == "four"
            assert (await migrate(manager, baseline="one")).is_whole
            await manager.move_tenant("hallym_univ", "DATABASE_PER_TENANT")
            assert await tenants_of(manager).ask("hallym_univ", "SELECT length FROM note") == 4


async def _make_without_migrations(release, tenants_of) -> None:
    """Make a tenant as a service has it that got its migrations later."""
    async with release() as manager:
        await tenants_of(manager).activate("hallym_univ")
        await tenants_of(manager).write("hallym_univ", "four")
        async with manager.isolation.owner(await manager.get_tenant("hallym_univ")) as owner:
            await owner.execute(text("DROP TABLE alembic_version"))
        await manager.store(RevisionStore).reached("hallym_univ", None)


class TestTheTemplate:
    async def test_spares_of_the_older_template_are_replaced(self, scripts, release, server, tenants_of):
        def spares(manager) -> list[str]:
            return server.databases(f"mt_{manager.identity.registry_id.hex}_spare_")

        async with release("DATABASE_PER_TENANT", spares=1) as manager:
            await manager.isolation.of(SimpleNamespace(isolation="DATABASE_PER_TENANT"))._spares.ready()
            older = spares(manager)
        scripts.release("two")
        async with release("DATABASE_PER_TENANT", spares=1) as manager:
            await manager.isolation.of(SimpleNamespace(isolation="DATABASE_PER_TENANT"))._spares.ready()
            newer = spares(manager)
            await tenants_of(manager).activate("hallym_univ")
            assert await tenants_of(manager).ask("hallym_univ", "SELECT count(length) FROM note") == 0
        assert (len(older), len(newer)) == (1, 1)
        assert older != newer

    async def test_a_release_that_can_not_be_made_from_nothing_is_told_before_any_tenant_is_touched(
        self, scripts, release
    ):
        async with release("DATABASE_PER_TENANT"):
            pass
        scripts.release(two="def upgrade():\n    op.drop_table('nothing')\n")
        with pytest.raises(Exception, match="nothing"):
            async with release("DATABASE_PER_TENANT"):
                pass


async def test_a_registry_from_before_revisions_gets_its_columns(release, server, registry_url):
    async with release() as manager:
        await manager.onboard_tenant("hallym_univ", "Hallym")
        async with manager._parts.engine.begin() as connection:
            for column in ("revision", "quarantined_at", "quarantine_reason"):
                await connection.execute(text(f"ALTER TABLE mt_tenant DROP COLUMN {column}"))
    async with release() as manager:
        assert (await manager.get_tenant("hallym_univ")).revision is None
        async with manager._parts.engine.connect() as connection:
            assert await connection.scalar(text("SELECT to_regclass('ix_mt_tenant_revision')")) is not None
