"""Moves of a tenant that several processes write to, and moves whose process is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mt_paas.core.moving.places import place_of
from mt_paas.core.moving.store import MoveStore, Phase
from mt_paas.errors import OperationInProgress, ServiceNotReady

PROGRAM = Path(__file__).with_name("at_work.py")
OWN, SCHEMA, SHARED, CONTAINER = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT"


@pytest.fixture
def start(registry_url, prefix, container_database):
    """Start another process of the service."""

    async def start(*task: str, **environment: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        told = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "env": os.environ | environment}
        return await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, registry_url, prefix, container_database, *task, **told
        )

    return start


class Writer:
    """A process that writes, and the lines that it has told of what was committed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.process.stdout:
            async with self.more:
                self.lines.append(line.decode().strip())
                self.more.notify_all()
        async with self.more:
            self.more.notify_all()

    async def has_written(self, count: int) -> None:
        wanted = len(self.lines) + count
        async with self.more:
            await self.more.wait_for(lambda: len(self.lines) >= wanted or self.process.stdout.at_eof())

    async def end(self) -> list[str]:
        self.process.stdin.close()
        await self._reading
        assert await self.process.wait() == 0, (await self.process.stderr.read()).decode()
        return self.lines


@pytest.mark.system
@pytest.mark.timeout(300)
class TestATenantThatIsWrittenTo:
    async def test_loses_nothing_wherever_it_goes(self, manager, tenant, start):
        reader = await tenant(OWN)
        writers = [Writer(await start("write", name)) for name in ("x", "y")]
        left = []
        for new in (SCHEMA, SHARED, CONTAINER, SHARED, OWN):
            for writer in writers:
                await writer.has_written(12)
            left.append((await manager.get_tenant("hallym_univ"), new))
            await manager.move_tenant("hallym_univ", new)
        for writer in writers:
            await writer.has_written(12)
        told = [line.split() for writer in writers for line in await writer.end()]

        written = {(name, int(n)) for name, n in told if n != "refused"}
        deleted = {(name, n - 5) for name, n in written if n % 10 == 0}
        there = Counter(await reader.ask("SELECT writer, n FROM loan"))
        assert len(written) > 60
        assert written - deleted - set(there) == set()
        assert set(there) & deleted == set()
        assert set(there.values()) == {1}
        fifths = sum(1 for _, n in written if n % 5 == 0)
        ((visits,),) = await reader.ask("SELECT count(*) FROM visit WHERE who <> 'twice'")
        ((words,),) = await reader.ask("SELECT sum(words) FROM book")
        changes = sum(1 for _, n in written if n % 5 == 0 and n % 30)
        assert visits == fifths
        assert words == sum(range(1000, 31_000, 1000)) + changes
        old, _ = left[-1]
        place = await place_of(manager._parts.isolation, old)  # the last place that it left
        async with place.connect() as connection:
            query = "SELECT writer, n FROM mt_shared.loan WHERE tenant_id = 'hallym_univ'"
            behind = set(await (await connection.execute(query)).fetchall())
        assert behind
        assert behind - set(there) - deleted == set()


@pytest.mark.system
@pytest.mark.timeout(300)
class TestAMoveWhoseProcessIsKilled:
    @pytest.mark.parametrize(("old", "new"), [(OWN, SCHEMA), (SCHEMA, SHARED), (SHARED, OWN)])
    async def test_is_ended_by_the_next_one(self, manager, tenant, start, old, new):
        reader = await tenant(old)
        before = await reader.everything()
        for step in ("copying", "copied", "compared", "held", "shutting", "filled", "shut", "moved"):
            process = await start("move", new, step)
            _, said = await process.communicate()
            assert process.returncode == -9, said.decode()
            await _let_go(manager)

            if step == "shut":  # between the two commits nobody is served anything
                with pytest.raises(ServiceNotReady):
                    await reader.everything()
            else:
                assert await reader.everything() == before
            if step not in ("shut", "moved"):
                assert (await manager.get_tenant("hallym_univ")).isolation == old
                await reader.ask("INSERT INTO loan (writer, n) VALUES ('meanwhile', 1)")
                before = await reader.everything()

            assert (await manager.move_tenant("hallym_univ", new)).isolation == new
            assert await reader.everything() == before
            await reader.ask("INSERT INTO loan (writer, n) VALUES ('after', 1)")
            await manager.move_tenant("hallym_univ", old)
            before = await reader.everything()

    async def test_is_ended_or_undone_by_the_sweep(self, manager, tenant, start, clock, server):
        reader = await tenant(SCHEMA)
        before = await reader.everything()
        for step, ends_at in (("copied", SCHEMA), ("filled", SCHEMA), ("shut", OWN)):
            process = await start("move", OWN, step)
            await process.communicate()
            await _settled(manager, clock)
            assert (await manager.get_tenant("hallym_univ")).isolation == ends_at
            assert await reader.everything() == before
        there = replace(await manager.get_tenant("hallym_univ"), isolation=SCHEMA)
        assert server.databases(there.database) == [there.database]


@pytest.mark.system
@pytest.mark.timeout(300)
class TestABackupWhoseProcessIsKilled:
    @pytest.fixture(params=[OWN, SHARED])
    async def reader(self, tenant, request):
        return await tenant(request.param)

    @pytest.fixture
    def programs(self, tmp_path) -> Path:
        """Programs of PostgreSQL that kill whoever calls them, in the middle of the work."""
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("pg_dump", "pg_restore"):
            version = 'echo "x (PostgreSQL) 99.1"; exit'
            (folder / name).write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ {version}; }}\nkill -9 $PPID\n')
            (folder / name).chmod(0o755)
        return folder

    async def test_and_a_restore_leave_nothing_and_are_done_by_the_next_one(
        self, manager, reader, start, server, programs
    ):
        before = await reader.everything()
        path = programs.with_name("hallym.backup")

        async def killed(*task: str) -> None:
            process = await start(*task, MT_POSTGRES_BIN=str(programs))
            _, said = await process.communicate()
            assert process.returncode == -9, said.decode()
            await _let_go(manager)
            assert await reader.everything() == before

        await killed("backup", str(path))
        assert not path.exists()
        await manager.backup_tenant("hallym_univ", path)
        await reader.ask("INSERT INTO loan (n) VALUES (1)")
        whole, before = before, await reader.everything()
        await killed("restore", str(path))
        left = f"mt_{manager.identity.registry_id.hex}_scratch_"
        assert len(server.databases(left)) == 1
        await manager.sweep()
        assert server.databases(left) == []
        await manager.restore_tenant(path, replace=True)
        assert await reader.everything() == whole


async def _let_go(manager) -> None:
    """Return when PostgreSQL has noticed that a process is gone which held the tenant."""
    while True:
        try:
            async with manager.operation("hallym_univ"):
                return
        except OperationInProgress:
            await asyncio.sleep(0.02)


async def _settled(manager, clock) -> None:
    """Sweep until no move is under way; one that was cut off before its end is given up after a day."""
    clock.move(days=300)
    while (move := await manager.store(MoveStore).find("hallym_univ")) and move.phase is not Phase.MOVED:
        await manager.sweep()
