"""Files of tenants: a folder for each, which no path of a caller's leads out of, and which ends with its tenant."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from sqlalchemy import select

from mt_paas.core.for_tenant import tenant_id_or_bound
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.manager import TenantManager
from mt_paas.core.models import TenantRow
from mt_paas.core.store import Store
from mt_paas.errors import InternalError, UnsafePath

__all__ = ["TenantFiles"]

_LONGEST_NAME = 255  # bytes of one part of a path, on every file system in use
_AT_ONCE = 1000


class TenantFiles:
    """The files of the tenants of ``manager``, in ``folder``; machines of one service need one that they share."""

    def __init__(self, manager: TenantManager, folder: Path) -> None:
        self._manager = manager
        self._folder = folder

    def path(self, name: str, *, tenant_id: str | None = None) -> Path:
        """Return where the file ``name`` of the tenant is, or may be written: its folder is there.

        ``name`` is relative, its parts are separated by ``/``; the tenant is the one that is bound unless one is named.
        Raises :class:`~mt_paas.errors.UnsafePath` for a name that would lead elsewhere: one that is absolute, has a
        part ``..`` or a symbolic link on its way. Raises :class:`~mt_paas.errors.TenantNotBound`.
        """
        parts = _parts(name)
        place = self.folder(tenant_id=tenant_id)
        for part in parts[:-1]:
            place /= part
            _refuse_link(place, name)
            try:
                place.mkdir(mode=0o700, exist_ok=True)
            except FileExistsError:
                raise UnsafePath(f"{name!r} goes through {part!r}, which is a file and no folder") from None
        place /= parts[-1]
        _refuse_link(place, name)
        return place

    def folder(self, *, tenant_id: str | None = None) -> Path:
        """Return the folder of the tenant, made where it is missing, for this user of the machine alone."""
        folder = self._place(tenant_id_or_bound(tenant_id))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    async def discard_all_of(self, tenant_id: str) -> None:
        """Delete every file of the tenant. Raises :class:`~mt_paas.errors.InternalError` when the disk refuses."""
        try:
            await asyncio.to_thread(_remove_tree, self._place(tenant_id))
        except OSError as error:
            raise InternalError(f"The tenant's files can not be deleted ({type(error).__name__}).") from error

    async def sweep(self) -> None:
        """Delete the folders of purged tenants: on a machine that did not purge them, or written to since."""
        there = await asyncio.to_thread(self._tenants)
        for begin in range(0, len(there), _AT_ONCE):
            for tenant_id in await self._manager.store(_Purged).among(there[begin : begin + _AT_ONCE]):
                await self.discard_all_of(tenant_id)

    def _tenants(self) -> list[str]:
        folder = self._place("")
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def _place(self, tenant_id: str) -> Path:
        return self._folder / str(self._manager.identity.registry_id) / tenant_id


class _Purged(Store):
    async def among(self, tenant_ids: list[str]) -> list[str]:
        """Return which of the tenants are purged."""
        wanted = select(TenantRow.tenant_id).where(
            TenantRow.tenant_id.in_(tenant_ids), TenantRow.status == TenantStatus.PURGED
        )
        async with self._transaction() as session:
            return list(await session.scalars(wanted))


def _parts(name: str) -> list[str]:
    """Return the parts of a path within a folder. Raises ``UnsafePath`` for any other."""
    if not name:
        raise UnsafePath("the path is empty: name a file, such as 'reports/2026.pdf'")
    if "\0" in name or "\\" in name:
        raise UnsafePath(f"{name!r} holds a NUL or a backslash, which a path may not; its parts are separated by /")
    if name.startswith("/"):
        raise UnsafePath(f"{name!r} is absolute: give a path within the tenant's folder")
    parts = name.split("/")
    for part in parts:
        if part in {"", ".", ".."}:
            raise UnsafePath(f"{name!r} has a part {part!r}, which leads elsewhere: leave it out")
        if len(os.fsencode(part)) > _LONGEST_NAME:
            raise UnsafePath(f"a part of the path is longer than {_LONGEST_NAME} bytes: {part[:40]!r}…")
    return parts


def _refuse_link(place: Path, name: str) -> None:
    if place.is_symlink():
        raise UnsafePath(f"{name!r} goes through {place.name!r}, which is a symbolic link: remove it")


def _remove_tree(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
