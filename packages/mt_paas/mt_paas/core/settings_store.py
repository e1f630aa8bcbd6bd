"""The settings of one tenant, in the tenant's own database: one document, written by compare-and-set."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.tenant_tables import settings
from mt_paas.errors import BodyTooLarge, VersionConflict

__all__ = ["MAX_BYTES", "read_settings", "write_settings"]

#: How long the document may be, as it is kept: it is answered whole, with the limits, in less than the 1 MiB that a
#: caller reads. A number can be kept in fifty times the bytes that it came in (``1e308``).
MAX_BYTES = 512 * 1024

_VERSION = re.compile(r"[0-9]{1,18}")


async def read_settings(session: AsyncSession) -> tuple[dict[str, Any], int]:
    """Return the tenant's settings and their version; before the first write there are none, version 0."""
    row = (await session.execute(select(settings.c.settings, settings.c.version))).one_or_none()
    return (row.settings, row.version) if row is not None else ({}, 0)


async def write_settings(session: AsyncSession, value: dict[str, Any], expected: str | None, now: datetime) -> int:
    """Replace the settings if their version is still ``expected`` (null: whatever it is); return the new version.

    Raises :class:`~mt_paas.errors.VersionConflict`: of two writers with the same version one is refused. Raises
    :class:`~mt_paas.errors.BodyTooLarge` for settings longer than ``MAX_BYTES``; the caller rolls back then.
    """
    written = settings.c.version, func.octet_length(cast(settings.c.settings, Text))
    new = {"settings": value, "version": settings.c.version + 1, "updated_at": now}
    if expected is None or expected == "0":
        first = insert(settings).values(id=1, settings=value, version=1, updated_at=now)
        unconditional = None if expected is None else settings.c.version == 0  # which no row has
        first = first.on_conflict_do_update(constraint="pk_mt_settings", set_=new, where=unconditional)
        row = (await session.execute(first.returning(*written))).one_or_none()
    elif _VERSION.fullmatch(expected):
        current = update(settings).where(settings.c.version == int(expected)).values(new)
        row = (await session.execute(current.returning(*written))).one_or_none()
    else:
        row = None
    if row is None:
        raise VersionConflict
    version, size = row
    if size > MAX_BYTES:
        raise BodyTooLarge(f"The settings take {size} bytes as they are kept, of {MAX_BYTES} that they may.")
    return int(version)
