"""``mt-paas tenants``: a service in a folder, whose tenants are listed and migrated while it does not run."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from mt_paas.cli.application import app
from mt_paas.testing.doubles import FakeService
from mt_paas.testing.tenants import drop_registry
from sqlalchemy import text
from typer.testing import CliRunner

SERVICE = """
from pathlib import Path

from fastapi import FastAPI
from mt_paas import setup_multi_tenant

HERE = Path(__file__).parent
app = FastAPI()
mt = setup_multi_tenant(app, manifest=HERE / "manifest.yaml", migrations=HERE / "migrations")
"""
ONE = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade():
    op.create_table("note", sa.Column("text", sa.Text))
"""
TWO = """
from alembic import op

revision, down_revision = "two", "one"


def upgrade():
    op.create_unique_constraint("uq_note_text", "note", ["text"])
"""
BROKEN = """
from alembic import op

revision, down_revision = "two", "one"


def upgrade():
    op.execute("SELECT 1 / 0")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, fresh_database) -> Path:
    """The folder of a service with two tenants at its first revision, of which one's rows do not fit the second."""
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/versions/one.py").write_text(ONE, encoding="utf-8")
    (tmp_path / "notes_app.py").write_text(SERVICE, encoding="utf-8")
    manifest = FakeService(service_id="notes").manifest("http://notes.example")
    (tmp_path / "manifest.yaml").write_text(manifest.model_dump_json(exclude_none=True), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name, value in {
        "MT_API_KEYS": "a-key-of-this-test-0123456789",
        "MT_DATABASE_URL": fresh_database,
        "MT_HOME": str(tmp_path / "home"),
        "MT_APP": "notes_app:app",
        "MT_TENANT_PREFIX": "t" + fresh_database.rsplit("_", 1)[1] + "_",
    }.items():
        monkeypatch.setenv(name, value)
    yield tmp_path
    drop_registry(fresh_database)


@pytest.fixture
def run(folder, monkeypatch):
    def invoke(*arguments: str):
        monkeypatch.delitem(sys.modules, "notes_app", raising=False)  # each command is a process of its own
        return CliRunner().invoke(app, ["tenants", *arguments])

    return invoke


@pytest.fixture
def service(folder, monkeypatch):
    """Do something with the service's manager."""

    def call(work):
        monkeypatch.delitem(sys.modules, "notes_app", raising=False)
        import notes_app

        async def within():
            async with notes_app.mt.managing() as manager:
                return await work(manager)

        return asyncio.run(within())

    return call


async def make_two(manager) -> None:
    for tenant_id in ("hallym_univ", "other_univ"):
        await manager.onboard_tenant(tenant_id, "A name")
        await manager.provision_tenant(tenant_id)
    async with manager.get_tenant_session("hallym_univ") as session:
        await session.execute(text("INSERT INTO note VALUES ('twice'), ('twice')"))


async def make_one(manager) -> None:
    await manager.onboard_tenant("hallym_univ", "A name")
    await manager.provision_tenant("hallym_univ")


async def purge(manager) -> None:
    await manager.deactivate_tenant("other_univ", preserve_data=False)


async def repair(manager) -> None:
    async with manager.isolation.owner(await manager.get_tenant("hallym_univ")) as owner:
        await owner.execute(text("DELETE FROM note"))


def test_one_fails_the_other_goes_on_and_a_retry_repairs(run, service, folder):
    service(make_two)
    (folder / "migrations/versions/two.py").write_text(TWO, encoding="utf-8")

    dry = run("migrate", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "     2  to be migrated" in dry.stdout

    first = run("migrate", "--jobs", "2", "--json")
    assert first.exit_code == 1
    report = json.loads(first.stdout)
    assert (report["target"], report["migrated"], report["failed"]) == ("two", 1, 1)
    (failed,) = [each for each in report["tenants"] if each["result"] == "failed"]
    assert failed == {
        "tenant_id": "hallym_univ",
        "result": "failed",
        "before": "one",
        "after": "one",
        "reason": 'could not create unique index "uq_note_text" (SQLSTATE 23505)',
        "is_quarantined": True,
    }

    listed = run("list")
    assert "hallym_univ  active  basic  DATABASE_PER_TENANT  one       " in listed.stdout
    assert 'could not create unique index "uq_note_text" (SQLSTATE 23505)' in listed.stdout

    again = run("migrate")
    assert again.exit_code == 1
    assert "     1  at two already, not opened\n     1  left in quarantine: --retry takes them again" in again.stdout

    service(repair)
    repaired = run("migrate", "--retry")
    assert repaired.exit_code == 0, repaired.output
    assert "hallym_univ  migrated  one   two" in repaired.stdout


def test_a_downgrade_has_to_be_asked_for(run, service, folder):
    (folder / "migrations/versions/two.py").write_text(TWO, encoding="utf-8")
    service(make_one)
    result = run("migrate", "--to", "one")
    assert result.exit_code == 2
    assert "1 tenants are at revision two, beyond one: a downgrade has to be asked for (--downgrade)" in result.stderr


def test_a_script_that_fails_for_everybody_is_told_in_one_sentence_and_closes_nobody(run, service, folder):
    service(make_one)
    (folder / "migrations/versions/two.py").write_text(BROKEN, encoding="utf-8")

    for command in ("migrate", "list"):
        result = run(command)
        assert result.exit_code == 1
        assert result.stderr.startswith("mt-paas: the service can not start, and no tenant was opened; ")
        assert result.stderr.endswith("division by zero (SQLSTATE 22012)\n")

    (folder / "migrations/versions/two.py").unlink()
    assert "hallym_univ  active  basic  DATABASE_PER_TENANT  one" in run("list").stdout


def test_a_clone_and_a_restore_name_the_tenant_that_is_in_their_way(run, service, folder):
    service(make_one)
    backup = str(folder / "hallym.backup")
    assert run("backup", "hallym_univ", "--output", backup).exit_code == 0

    clone = run("clone", "hallym_univ", "hallym_univ")
    assert clone.exit_code == 2
    assert clone.stderr == "mt-paas: tenant hallym_univ is there: a clone takes an id that no other tenant has\n"
    restore = run("restore", backup)
    assert restore.exit_code == 1
    assert "tenant hallym_univ is there: replace what it has (--replace), or name another (--as)" in restore.stderr


def test_a_backup_leaves_an_older_file_unless_it_is_told_to_replace_it(run, service, folder):
    service(make_one)
    backup = folder / "hallym.backup"
    backup.write_bytes(b"an older backup")

    refused = run("backup", "hallym_univ", "--output", str(backup))
    assert refused.exit_code == 1
    told = f"mt-paas: {backup} is there, and was left as it is: replace it (--replace), or name another file\n"
    assert refused.stderr == told
    assert backup.read_bytes() == b"an older backup"

    assert run("backup", "hallym_univ", "--output", str(backup), "--replace").exit_code == 0
    assert backup.read_bytes().startswith(b"PK")


def test_a_purged_tenant_is_listed_only_when_all_are_asked_for(run, service):
    service(make_two)
    service(purge)

    assert "other_univ" not in run("list").stdout
    assert "other_univ" not in run("list", "--json").stdout
    assert "other_univ   purged" in run("list", "--all").stdout


def test_where_no_service_is_it_says_so(run):
    result = run("list", "--app", "nowhere:app")
    assert result.exit_code == 2
    assert "there is no module nowhere here" in result.stderr
    result = run("list", "--app", "json:app")
    assert result.exit_code == 2
    assert "json:app is no app that setup_multi_tenant was given" in result.stderr
