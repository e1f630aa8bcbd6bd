"""Backup, restore and clone of one tenant.

Every backup has the same form, whatever the tenant's isolation: a dump of a database that has the tenant's tables and
nothing else. A tenant that has a database of its own is dumped from there; of others the rows go to a scratch database
first. So a backup of any tenant may be restored into any isolation.

A restore is done where nobody looks: into a scratch database, where the numbers of rows and the checksums must be the
ones that the backup says. Only then are they brought to the tenant's place, in one transaction that deletes what was
there, and is compared once more before it is committed. Whoever reads meanwhile sees what was there before, or all that
was restored; a process that dies leaves what was there.

Who was logged in is in no backup and no clone (``mt_login``, ``mt_session``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import IsolationLevel, sql
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.clock import Clock
from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.isolations import Isolations
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.moving.archive import BackupManifest, check_archive, dump_of, write_archive
from mt_paas.core.moving.catalog import LARGE_OBJECTS, read_others, read_tables
from mt_paas.core.moving.checks import difference, sums, told
from mt_paas.core.moving.copying import Copy, fetch
from mt_paas.core.moving.fitting import fit, make_missing, missing, reflected, revisions
from mt_paas.core.moving.gates import hold, open_up
from mt_paas.core.moving.places import Connection, Place, place_of
from mt_paas.core.moving.programs import dumped, restored
from mt_paas.core.moving.scratch import Scratch, scratch
from mt_paas.core.moving.sequences import carry_sequences, make_sequences
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import PRIVATE
from mt_paas.errors import BackupInvalid

__all__ = ["BackupTools", "Backups"]

_PATIENCE = 30.0  # seconds that a restore waits for the transactions that are open on what it replaces


@dataclass(frozen=True, slots=True)
class BackupTools:
    """What backups work with."""

    isolations: Isolations
    blueprint: Blueprint
    identity: ServiceIdentity
    clock: Clock


class Backups:
    """Backups of tenants, over ``connection``, which holds the tenant that is at work."""

    def __init__(self, tools: BackupTools, connection: AsyncConnection) -> None:
        self._isolations, self._blueprint = tools.isolations, tools.blueprint
        self._identity, self._clock = tools.identity, tools.clock
        self._connection = connection

    async def write(self, tenant: Tenant, path: Path, *, replace: bool) -> BackupManifest:
        """Write the tenant's backup to ``path``. Raises :class:`~mt_paas.errors.BackupInvalid` where that fails."""
        source = await place_of(self._isolations, tenant)
        async with source.connect() as reading:
            await reading.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            if source.whole:
                if LARGE_OBJECTS in await read_others(reading, source):
                    raise BackupInvalid(
                        f"tenant {tenant.tenant_id} has large objects, which no restore could bring to its place: keep "
                        "what they hold in columns (bytea)"
                    )
                return await self._dump(tenant, source, reading, path, replace=replace)
            async with self._scratch(tenant.tenant_id) as there:
                async with there.engine.begin() as owner:
                    await self._blueprint.make(owner)
                await self._bring(source, reading, there.place, lambda: self._isolations.owner(tenant), there)
                async with there.place.connect() as copied:
                    await copied.set_isolation_level(IsolationLevel.REPEATABLE_READ)
                    return await self._dump(tenant, there.place, copied, path, replace=replace)

    async def restore(self, path: Path, tenant: Tenant) -> BackupManifest:
        """Bring what the backup at ``path`` holds to the tenant's place, which is there; what was in it is replaced."""
        manifest = await asyncio.to_thread(check_archive, path)
        async with self._scratch(tenant.tenant_id) as there:
            async with there.place.connect() as connection:
                server = connection.info.server_version // 10_000
            await restored(there.place.url, dump_of(path), server=server)
            async with there.place.connect() as reading:
                tables = list((await read_tables(reading, there.place)).values())
                faults = told(manifest.tables, await sums(reading, there.place, tables))
                if faults:
                    raise BackupInvalid(
                        f"what was restored from {path} is not what the backup says: {'; '.join(faults)}"
                    )
                await reading.rollback()
                async with there.engine.begin() as owner:
                    if manifest.revision not in {(), (self._blueprint.revision,)}:  # it is older than the service
                        await self._blueprint.make_own(owner)
                await self._bring(there.place, reading, tenant, there.engine.begin)
        return manifest

    async def clone(self, source: Tenant, target: Tenant) -> None:
        """Bring what one tenant has to the place of another, which is there."""
        place = await place_of(self._isolations, source)
        async with place.connect() as reading:
            await reading.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await self._bring(place, reading, target, lambda: self._isolations.owner(source))

    @asynccontextmanager
    async def _scratch(self, tenant_id: str) -> AsyncIterator[Scratch]:
        async with scratch(self._connection, self._identity.registry_id.hex, tenant_id) as made:
            yield made

    async def _bring(
        self,
        source: Place,
        reading: Connection,
        to: Tenant | Place,
        source_owner: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        there: Scratch | None = None,
    ) -> None:
        """Replace all rows of a place by those of the source, in one transaction that is compared before it ends.

        Owners are connected one at a time: where tenants share a database, theirs come out of one small pool.
        """
        target = to if isinstance(to, Place) else await place_of(self._isolations, to)
        async with target.connect() as writing:
            await make_sequences(reading, writing, source, target)
            await writing.commit()
            if names := await missing(reading, writing, source, target):
                await writing.rollback()
                async with source_owner() as owner:
                    found = await reflected(owner, source, names)
                await self._make(found, target, to, there)
            await writing.rollback()
            tables = await fit(reading, writing, source, target)
            await writing.commit()
            known = set(await read_tables(reading, source))
            behind = frozenset(table.name for table in tables if table.name not in known or table.said in PRIVATE)
            await hold(writing, target, _PATIENCE)
            copy = Copy(source, target, tables, reading, writing, behind)
            await copy.all_rows()
            await carry_sequences(reading, writing, source, target)
            if faults := await difference(copy, copy.filled):
                raise BackupInvalid(f"what was copied is not the same: {'; '.join(faults)}")
            if not isinstance(to, Place):
                await open_up(writing, target)
            await writing.commit()

    async def _make(self, found: MetaData, target: Place, to: Tenant | Place, there: Scratch | None) -> None:
        """Make tables at the target that it has not."""
        if isinstance(to, Tenant):
            async with self._isolations.owner(to) as owner:
                await make_missing(found, target, owner)
                await self._isolations.secure(owner, to)
        elif there is not None:
            async with there.engine.begin() as owner:
                await make_missing(found, target, owner)

    async def _dump(
        self, tenant: Tenant, place: Place, reading: Connection, path: Path, *, replace: bool
    ) -> BackupManifest:
        """Dump the place as ``reading`` sees it, with the sums of what is in it."""
        ((snapshot,),) = await fetch(reading, sql.SQL("SELECT pg_export_snapshot()"))
        tables = [table for table in (await read_tables(reading, place)).values() if table.said not in PRIVATE]
        server = reading.info.server_version // 10_000
        options = [f"--exclude-table-data=public.{name}" for name in sorted(PRIVATE)]
        manifest = BackupManifest(
            tenant_id=tenant.tenant_id,
            name=tenant.name,
            plan=tenant.plan,
            features=tenant.profile.features,
            service_id=self._identity.service_id,
            isolation=tenant.isolation,
            revision=tuple(await revisions(reading, place)),
            created_at=self._clock(),
            server=server,
            tables=await sums(reading, place, tables),
        )
        dump = dumped(place.url, f"--snapshot={snapshot}", *options, server=server)
        return await write_archive(path, lambda: manifest, dump, replace=replace)
