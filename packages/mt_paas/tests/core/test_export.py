"""Exports: everything of one tenant, nothing of another, by a link that ends."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc

import psycopg
import pytest
from mt_paas.core.operation_store import LEASE, Task
from mt_paas.errors import LinkExpired, OperationNotFound, TenantNotFound
from mt_paas.standard_api.models import (
    DeactivateReason,
    DeactivateRequest,
    SettingsUpdate,
    SsoRequest,
    SsoUser,
    UserCreate,
)
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)


async def export(handler, tenant_id: str) -> dict:
    accepted = await handler.export_tenant(tenant_id)
    await handler.operations.settle()
    ended = await handler.get_operation(accepted.operation_id)
    assert ended.status == "succeeded", ended
    return ended.result


def link_of(result: dict) -> tuple[str, str]:
    query = dict(part.split("=") for part in result["download_url"].partition("?")[2].split("&"))
    return query["operation_id"], query["token"]


async def read(handler, result: dict) -> list[dict]:
    path, _ = await handler.exports.find(*link_of(result))
    raw = path.read_bytes()
    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (result["size_bytes"], result["sha256"])
    return [json.loads(line) for line in raw.decode().splitlines()]


class TestFile:
    async def test_has_all_of_the_tenant_and_nothing_of_another(self, handler, tenant_id, tenants, activation):
        await handler.activate_tenant(activation("other_univ"))
        for tenant in (tenant_id, "other_univ"):
            await handler.create_user(tenant, UserCreate(email=f"kim@{tenant}.kr"))
            await tenants.write(tenant, f"a note of {tenant},\nin 두 lines\u2028")
        await handler.update_settings(tenant_id, SettingsUpdate(settings={"language": "ko"}), "0")

        await handler.create_sso_link(tenant_id, SsoRequest(user=SsoUser(email=f"kim@{tenant_id}.kr")))

        head, *rows, end = await read(handler, await export(handler, tenant_id))

        assert (head["tenant_id"], head["plan"], head["admin"]["email"]) == (tenant_id, "basic", "admin@hallym.ac.kr")
        assert end == {"end": True, "rows": len(rows)}
        by_table = {line["table"]: line["row"] for line in rows}
        assert by_table.keys() == {"note", "mt_user", "mt_settings"}
        assert by_table["note"]["text"] == f"a note of {tenant_id},\nin 두 lines\u2028"
        assert by_table["mt_user"]["email"] == f"kim@{tenant_id}.kr"
        assert "other_univ" not in json.dumps([head, rows, end])

    async def test_of_many_rows_is_whole(self, handler, tenant_id, manager, notes_table):
        async with manager.get_tenant_session(tenant_id) as session:
            await session.execute(notes_table.insert(), [{"text": f"note {number}"} for number in range(1700)])

        lines = await read(handler, await export(handler, tenant_id))

        texts = [line["row"]["text"] for line in lines if line.get("table") == "note"]
        assert texts == [f"note {number}" for number in range(1700)]

    @pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
    async def test_of_large_rows_holds_one_of_them_at_a_time(self, new_manager, new_handler, activation, driver):
        texts = [f"{number} " + "x" * (2**20 if number % 3 else 10) for number in range(48)]
        url = new_manager()._database_url.replace("postgresql:", f"postgresql+{driver}:")
        async with new_manager(database_url=url) as manager:
            handler = new_handler(manager=manager)
            await handler.activate_tenant(activation())
            async with manager.get_tenant_session("hallym_univ") as session:
                for each in texts:
                    await session.execute(text("INSERT INTO note (text) VALUES (:text)"), {"text": each})

            tracemalloc.start()
            try:
                result = await export(handler, "hallym_univ")
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

            assert most < 10 * 2**20, f"{most} bytes were held at once, of rows of 1 MiB"
            lines = await read(handler, result)
            assert sorted(line["row"]["text"] for line in lines if line.get("table") == "note") == sorted(texts)

    async def test_has_large_rows_of_each_part_of_a_table_once(self, handler, tenant_id, server, prefix):
        with psycopg.connect(make_conninfo(server.url, dbname=f"{prefix}{tenant_id}")) as connection:
            connection.execute('CREATE TABLE "a :b" (t int, content text) PARTITION BY LIST (t)')
            for number in (1, 2):
                connection.execute(f'CREATE TABLE part_{number} PARTITION OF "a :b" FOR VALUES IN ({number})')
                connection.execute('INSERT INTO "a :b" VALUES (%s, %s)', [number, str(number) * 100000])
            connection.execute('GRANT SELECT ON "a :b" TO PUBLIC')

        lines = await read(handler, await export(handler, tenant_id))

        rows = [line["row"] for line in lines if line.get("table") == "a :b"]
        assert rows == [{"t": 1, "content": "1" * 100000}, {"t": 2, "content": "2" * 100000}]

    async def test_of_a_deactivated_tenant_is_made_too_and_of_a_purged_one_not(self, handler, tenant_id, tenants):
        await tenants.write(tenant_id, "kept")
        await handler.deactivate_tenant(tenant_id, CLOSING)

        lines = await read(handler, await export(handler, tenant_id))
        assert [line["row"]["text"] for line in lines if line.get("table") == "note"] == ["kept"]

        await handler.purge_tenant(tenant_id)
        with pytest.raises(TenantNotFound):
            await handler.export_tenant(tenant_id)

    async def test_is_readable_for_this_user_of_the_machine_alone(self, handler, tenant_id):
        path, _ = await handler.exports.find(*link_of(await export(handler, tenant_id)))

        assert path.stat().st_mode & 0o777 == 0o600


class TestLink:
    async def test_ends_after_an_hour_and_the_file_with_it(self, handler, tenant_id, clock):
        result = await export(handler, tenant_id)
        path, _ = await handler.exports.find(*link_of(result))
        clock.move(seconds=3599)
        await handler.exports.sweep()
        assert (await handler.exports.find(*link_of(result)))[0] == path

        clock.move(seconds=1)
        with pytest.raises(LinkExpired):
            await handler.exports.find(*link_of(result))
        await handler.exports.sweep()

        assert list(path.parent.iterdir()) == []

    async def test_is_good_for_its_own_export_alone(self, handler, tenant_id):
        first, second = link_of(await export(handler, tenant_id)), link_of(await export(handler, tenant_id))

        assert first != second
        for operation_id, token in [(first[0], second[1]), (first[0], ""), ("../../etc/passwd", first[1])]:
            with pytest.raises((LinkExpired, OperationNotFound)):
                await handler.exports.find(operation_id, token)

    async def test_ends_with_the_tenants_data(self, handler, tenant_id):
        result = await export(handler, tenant_id)
        path, _ = await handler.exports.find(*link_of(result))
        await handler.deactivate_tenant(tenant_id, CLOSING)
        await handler.purge_tenant(tenant_id)

        with pytest.raises(LinkExpired):
            await handler.exports.find(*link_of(result))
        assert not path.exists()

    async def test_is_stored_nowhere(self, handler, tenant_id, registry_url):
        _, token = link_of(await export(handler, tenant_id))

        with psycopg.connect(registry_url) as connection:
            assert token not in str(connection.execute("SELECT o::text FROM mt_operation o").fetchall())


class TestFailure:
    async def test_a_disk_that_does_not_take_it_is_told_and_leaves_no_half_a_file(
        self, handler, tenant_id, tmp_path, monkeypatch
    ):
        class Full:
            def write(self, _):
                raise OSError("no space left on device")

            def close(self):
                pass

        def open_full(path):
            path.parent.mkdir()
            path.touch()
            return Full()

        monkeypatch.setattr("mt_paas.core.exports._open_private", open_full)

        accepted = await handler.export_tenant(tenant_id)
        await handler.operations.settle()
        await handler.exports.sweep()

        assert (await handler.get_operation(accepted.operation_id)).error.error == "internal_error"
        assert list((tmp_path / "exports").iterdir()) == []

    async def test_what_a_killed_process_left_is_deleted_by_the_sweep(self, handler, tmp_path):
        folder = tmp_path / "exports"
        folder.mkdir()
        (folder / "op_nobody_knows.part").write_text("half")

        await handler.exports.sweep()

        assert list(folder.iterdir()) == []


class TestAtOnce:
    async def test_the_same_export_is_one_operation(self, handler, tenant_id, manager):
        begun = await manager.operations.begin(Task(kind="export", tenant_id=tenant_id))

        assert (await handler.export_tenant(tenant_id)).operation_id == begun.operation_id
        assert (await handler.deactivate_tenant(tenant_id, CLOSING)).status == "deactivated"

    async def test_a_process_that_was_thought_dead_spoils_nothing(
        self, handler, new_handler, tenant_id, manager, clock
    ):
        begun = await manager.operations.begin(Task(kind="export", tenant_id=tenant_id))
        tenant, lines = await manager.get_tenant(tenant_id), handler.exports._lines
        waiting, let_go = asyncio.Event(), asyncio.Event()

        async def lines_with_a_stop(tenant):
            async for each in lines(tenant):
                yield each
                waiting.set()
                await let_go.wait()

        handler.exports._lines = lines_with_a_stop
        first = asyncio.ensure_future(handler.exports.write(tenant, begun.operation_id))
        await waiting.wait()
        clock.move(seconds=LEASE.total_seconds())
        other = new_handler()
        await other.operations.sweep()
        await other.operations.settle()
        let_go.set()
        await first

        ended = await other.get_operation(begun.operation_id)
        assert (await read(other, ended.result))[-1]["end"] is True
        await other.exports.sweep()
        assert len(list(handler.options.export_folder.iterdir())) == 1
        assert (await read(other, ended.result))[-1]["end"] is True
