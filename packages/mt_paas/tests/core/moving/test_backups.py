"""Backups of one tenant are whole or not there; restores and clones bring all of it, or change nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mt_paas.core.moving.archive import BackupManifest, check_archive, write_archive
from mt_paas.core.moving.programs import dumped
from mt_paas.errors import (
    BackupInvalid,
    ConfigurationError,
    OperationInProgress,
    TenantAlreadyExists,
    TenantNotFound,
)
from mt_paas.utils.pool_settings import PoolSettings
from sqlalchemy import text

OWN, SCHEMA, SHARED, CONTAINER = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT"


@pytest.fixture
def scratch(server, manager):
    """Tell which databases a backup or restore has left."""
    return lambda: server.databases(f"mt_{manager.identity.registry_id.hex}_scratch_")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "hallym.backup"


class TestBackup:
    @pytest.mark.parametrize("pair", [(OWN, SHARED), (SHARED, OWN), (SCHEMA, SCHEMA), (CONTAINER, SCHEMA)], ids=str)
    async def test_of_any_isolation_is_restored_into_any(self, manager, tenant, reader_of, path, pair):
        old, new = pair
        before = await (await tenant(old)).everything()
        manifest = await manager.backup_tenant("hallym_univ", path)
        assert manifest.tables["book"].rows == 30
        assert manifest.isolation == old
        assert path.stat().st_mode & 0o777 == 0o600

        restored = await manager.restore_tenant(path, as_tenant="other_univ", isolation=new)

        assert (restored.status, restored.isolation, restored.name) == ("active", new, "Hallym")
        other = reader_of("other_univ")
        assert await other.everything() == before
        await other.ask("INSERT INTO author (name) VALUES ('new')")
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("isolation", [OWN, SCHEMA, SHARED])
    async def test_replaces_what_a_tenant_has(self, manager, tenant, path, isolation):
        reader = await tenant(isolation)
        before = await reader.everything()
        await manager.backup_tenant("hallym_univ", path)
        await reader.ask("DELETE FROM book WHERE id % 2 = 0 AND id NOT IN (SELECT favourite_id FROM author)")
        await reader.ask("INSERT INTO loan (n) VALUES (1)")
        after = await reader.everything()
        with pytest.raises(BackupInvalid, match="is there"):
            await manager.restore_tenant(path)
        assert await reader.everything() == after

        await manager.restore_tenant(path, replace=True)

        assert await reader.everything() == before

    async def test_has_no_secret_and_nobody_who_is_logged_in(self, manager, tenant, reader_of, path):
        reader = await tenant(OWN)
        await reader.ask("INSERT INTO mt_session VALUES ('digest', 'u_1', now())")
        await manager.backup_tenant("hallym_univ", path)
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest) == {
            "format", "tenant_id", "name", "plan", "features", "service_id", "isolation", "revision", "created_at",
            "server", "tables", "sha256",
        }  # fmt: skip
        await manager.restore_tenant(path, as_tenant="other_univ")
        assert await reader_of("other_univ").ask("SELECT count(*) FROM mt_session") == [(0,)]

    async def test_that_fails_leaves_no_file(self, manager, tenant, path, monkeypatch):
        await tenant(OWN)
        await manager.backup_tenant("hallym_univ", path)
        whole = path.read_bytes()
        monkeypatch.setenv("MT_POSTGRES_BIN", str(_programs(path.parent / "bin", "echo broken >&2; exit 1")))
        with pytest.raises(BackupInvalid, match="pg_dump failed: broken"):
            await manager.backup_tenant("hallym_univ", path, replace=True)
        assert path.read_bytes() == whole
        assert {each.name for each in path.parent.iterdir()} == {"bin", path.name}

    async def test_leaves_a_file_that_is_there_unless_it_is_to_replace_it(self, manager, tenant, path):
        await tenant(SHARED)
        path.write_bytes(b"an older backup")

        with pytest.raises(BackupInvalid, match=r"hallym\.backup is there, .*--replace"):
            await manager.backup_tenant("hallym_univ", path)
        assert path.read_bytes() == b"an older backup"
        await manager.backup_tenant("hallym_univ", path, replace=True)

        assert check_archive(path).tables["book"].rows == 30
        assert list(path.parent.iterdir()) == [path]

    async def test_leaves_a_file_that_came_while_it_was_written(self, path):
        async def dump():
            yield b"PGDMP"
            path.write_bytes(b"of somebody else")

        with pytest.raises(BackupInvalid, match="is there"):
            await write_archive(path, _manifest, dump())

        assert path.read_bytes() == b"of somebody else"
        assert list(path.parent.iterdir()) == [path]

    async def test_replaces_nothing_that_is_no_file(self, manager, tenant, path):
        await tenant(SHARED)
        os.mkfifo(path)

        with pytest.raises(BackupInvalid, match="is no file, and was left as it is"):
            await manager.backup_tenant("hallym_univ", path, replace=True)

        assert path.is_fifo()
        assert list(path.parent.iterdir()) == [path]

    async def test_where_none_can_be_is_told(self, tmp_path):
        async def dump():
            yield b"PGDMP"

        (tmp_path / "file").touch()
        with pytest.raises(BackupInvalid, match=r"could not be written to .*file/x\.backup: Not a directory"):
            await write_archive(tmp_path / "file" / "x.backup", _manifest, dump())

    async def test_on_a_full_disk_leaves_no_file(self, tmp_path):
        program = (
            "import asyncio, pathlib, resource, sys\n"
            "from mt_paas.core.moving.archive import write_archive\n"
            "from mt_paas.errors import BackupInvalid\n"
            "async def dump():\n    for _ in range(64): yield bytes(1024)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
            "try:\n    asyncio.run(write_archive(pathlib.Path(sys.argv[1]), None, dump()))\n"
            "except BackupInvalid as error:\n    print(error)\n"
        )
        path = tmp_path / "x.backup"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert "could not be written" in out.decode(), err.decode()
        assert list(tmp_path.iterdir()) == []

    async def test_needs_programs_of_the_servers_version(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MT_POSTGRES_BIN", str(_programs(tmp_path, "exit 1", major=12)))
        with pytest.raises(ConfigurationError, match="pg_dump of PostgreSQL 15 or newer is needed"):
            async for _ in dumped("postgresql://x@127.0.0.1:1/x", server=15):
                pass


class TestABackupThatIsNotWhole:
    @pytest.fixture
    async def whole(self, manager, tenant, path) -> bytes:
        await tenant(SHARED)
        await manager.backup_tenant("hallym_univ", path)
        return path.read_bytes()

    async def test_is_refused_with_what_is_wrong_and_changes_nothing(self, manager, whole, path, reader_of, scratch):
        before = await reader_of("hallym_univ").everything()
        middle = whole.index(b"PGDMP") + 400
        for content, said in (
            (whole[: len(whole) // 2], "cut off, or was altered"),
            (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], "cut off, or was altered"),
            (b"", "cut off, or was altered"),
            (_changed(path, whole, lambda manifest: manifest | {"sha256": "0" * 64}), "SHA-256"),
            (_changed(path, whole, lambda manifest: manifest | {"format": 2}), "format 2"),
            (_changed(path, whole, lambda manifest: {}), "manifest in .* can not be read"),
            (_changed(path, whole, _one_more_book), "table book has 30 rows instead of 31"),
            (_changed(path, whole, lambda manifest: manifest | {"service_id": "other"}), "service other"),
        ):
            path.write_bytes(content)
            with pytest.raises(BackupInvalid, match=said):
                await manager.restore_tenant(path, replace=True)
            with pytest.raises(BackupInvalid, match=said):
                await manager.restore_tenant(path, as_tenant="new_univ")
            with pytest.raises(TenantNotFound):
                await manager.get_tenant("new_univ")
        assert await reader_of("hallym_univ").everything() == before
        assert scratch() == []

    async def test_is_what_a_missing_file_is_too(self, manager, tmp_path):
        with pytest.raises(BackupInvalid, match="can not be read: No such file"):
            await manager.restore_tenant(tmp_path / "nothing.backup")


class TestClone:
    @pytest.mark.parametrize(("old", "new"), [(OWN, None), (SHARED, None), (SCHEMA, OWN)])
    async def test_has_all_that_the_tenant_has_and_its_own_life(self, manager, tenant, reader_of, old, new):
        reader = await tenant(old)
        before = await reader.everything()
        clone = await manager.clone_tenant("hallym_univ", "trial_univ", isolation=new)
        assert (clone.status, clone.isolation) == ("active", new or old)
        other = reader_of("trial_univ")
        assert await other.everything() == before
        await other.ask("DELETE FROM visit")
        await other.ask("INSERT INTO loan (n) VALUES (1)")
        assert await reader.everything() == before

    async def test_needs_one_place_among_lifecycle_calls(self, library, tenant):
        await tenant(SHARED)
        async with library(pools=PoolSettings(operations=1)) as manager:
            assert (await manager.clone_tenant("hallym_univ", "trial_univ")).status == "active"

    async def test_holds_both_tenants(self, manager, tenant):
        await tenant(SHARED)
        for held in ("hallym_univ", "trial_univ"):
            async with manager.operation(held):
                with pytest.raises(OperationInProgress):
                    await manager.clone_tenant("hallym_univ", "trial_univ")
        await manager.clone_tenant("hallym_univ", "trial_univ")

    async def test_refuses_a_tenant_that_somebody_has_ordered(self, manager, tenant):
        await tenant(SHARED)
        ordered = await manager.onboard_tenant("trial_univ", "Trial", plan="gold", isolation=SHARED)
        with pytest.raises(TenantAlreadyExists):
            await manager.clone_tenant("hallym_univ", "trial_univ")
        assert await manager.get_tenant("trial_univ") == ordered
        with pytest.raises(TenantAlreadyExists):
            await manager.clone_tenant("hallym_univ", "hallym_univ")

    async def test_that_was_cut_off_is_taken_up(self, manager, tenant, reader_of):
        before = await (await tenant(SHARED)).everything()
        source = await manager.get_tenant("hallym_univ")
        async with manager.operation("trial_univ") as operation:  # as far as a process came that was killed
            await operation.onboard(source.profile, SHARED, "to be cloned from hallym_univ")
        clone = await manager.clone_tenant("hallym_univ", "trial_univ", name="Trial")
        assert (clone.status, clone.name) == ("active", "Trial")
        assert await reader_of("trial_univ").everything() == before

    async def test_that_fails_leaves_no_tenant(self, manager, tenant):
        await tenant(OWN)
        async with manager._parts.isolation.owner(await manager.get_tenant("hallym_univ")) as owner:
            await owner.execute(text("CREATE VIEW glad AS SELECT * FROM book"))
        with pytest.raises(Exception, match="view glad would be lost"):
            await manager.clone_tenant("hallym_univ", "trial_univ", isolation=SCHEMA)
        with pytest.raises(TenantNotFound):
            await manager.get_tenant("trial_univ")


def _programs(folder: Path, script: str, major: int = 99) -> Path:
    """Make a folder with programs of PostgreSQL that say their version and do nothing but ``script``."""
    folder.mkdir(exist_ok=True)
    for name in ("pg_dump", "pg_restore"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "x (PostgreSQL) {major}.1"; exit; }}\n{script}\n'
        )
        program.chmod(0o755)
    return folder


def _manifest() -> BackupManifest:
    return BackupManifest(
        tenant_id="hallym_univ",
        name="Hallym",
        plan="basic",
        features=(),
        service_id="library",
        isolation=OWN,
        revision=(),
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        server=16,
        tables={},
    )


def _changed(path: Path, whole: bytes, change) -> bytes:
    """Return the backup with another manifest."""
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        manifest, dump = json.loads(archive.read("manifest.json")), archive.read("tenant.dump")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tenant.dump", dump)
        archive.writestr("manifest.json", json.dumps(change(manifest)))
    return path.read_bytes()


def _one_more_book(manifest):
    tables = manifest["tables"] | {"book": manifest["tables"]["book"] | {"rows": 31}}
    return manifest | {"tables": tables}
