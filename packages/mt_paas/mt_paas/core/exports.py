"""Exports: all that is in one tenant's database, as a file in an open format, and the link that fetches it.

The format is JSON Lines (UTF-8). The first line says whose data these are; then there is one line for each row,
``{"table": …, "row": {…}}``, table by table, as PostgreSQL writes it as JSON; the last line,
``{"end": true, "rows": …}``, tells a whole file from one that was cut off. It is written from one snapshot, a few rows
at a time: those that are short together, each other one alone, so that memory holds a few MiB and never two large rows.

The link's token is derived from the service's secret: it is stored nowhere. The file lies in a folder of this process's
machine until its time is over, or its tenant is gone; several machines need a folder that they share. Each attempt
writes a file of its own, and the operation that ended says which is good: two processes at one export, of which one
was thought dead, can not spoil each other's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import BigInteger, Text, bindparam, case, cast, func, literal_column, select, table, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.manager import TenantManager
from mt_paas.core.operation_store import StoredOperation
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import PRIVATE
from mt_paas.errors import InternalError, LinkExpired, OperationNotFound, TenantNotFound
from mt_paas.standard_api.models import ExportResult, OperationStatus
from mt_paas.utils.security import derive_token, equal

__all__ = ["EXPORT_PATH", "Exports"]

EXPORT_PATH = "/access/export"
_ROWS_AT_ONCE = 250
_SHORT = 16 * 1024  # bytes of a row that is fetched together with others
# Where tenants share a database, other schemas are other tenants'; in one of its own they are the service's. What is in
# a schema is found by way of pg_depend: pg_class has no index by schema, and may hold the tables of all tenants.
_TABLES = text(
    "SELECT n.nspname, c.relname, n.nspname = current_schema()"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY (ARRAY(SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass"
    " AND refclassid = 'pg_namespace'::regclass AND refobjid = ANY (ARRAY("
    "SELECT oid FROM pg_namespace WHERE nspname = current_schema() UNION ALL SELECT oid FROM pg_namespace"
    " WHERE current_schema() = 'public' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'))))"
    " AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2"
)


class Exports:
    """The exports of a service that is reached at ``base_url``: files in ``folder``, each for ``lifetime``."""

    def __init__(self, manager: TenantManager, base_url: str, folder: Path, lifetime: timedelta) -> None:
        self._manager = manager
        self._base_url = str(base_url).rstrip("/")
        self._folder = folder
        self._lifetime = lifetime

    async def write(self, tenant: Tenant, operation_id: str) -> dict[str, Any]:
        """Write the tenant's data down, also those of a deactivated tenant; return what is known of the file.

        Half a file is never in the place of a whole one. Raises :class:`~mt_paas.errors.InternalError` when the disk
        does not take it.
        """
        path = self._folder / f"{operation_id}.{secrets.token_hex(4)}.jsonl"
        part = path.with_suffix(".part")
        digest, size = hashlib.sha256(), 0
        sink = await _on_disk(_open_private, part)
        try:
            async with aclosing(self._lines(tenant)) as all_lines:
                async for lines in all_lines:
                    digest.update(lines)
                    size += len(lines)
                    await _on_disk(sink.write, lines)
        finally:
            await _on_disk(sink.close)
        await _on_disk(part.replace, path)
        expires_at = self._manager.clock() + self._lifetime
        return {
            "file": path.name,
            "expires_at": expires_at.isoformat(),
            "format": "jsonl",
            "size_bytes": size,
            "sha256": digest.hexdigest(),
        }

    def result(self, operation: StoredOperation) -> ExportResult:
        """Return the result of an export that succeeded: its link, and what is known of the file."""
        facts = dict(operation.result or {})
        del facts["file"]
        query = urlencode({"operation_id": operation.operation_id, "token": self._token(operation.operation_id)})
        expires_at = datetime.fromisoformat(facts.pop("expires_at"))
        return ExportResult(download_url=f"{self._base_url}{EXPORT_PATH}?{query}", expires_at=expires_at, **facts)

    async def find(self, operation_id: str, token: str) -> tuple[Path, str]:
        """Return the file of a link, and the tenant's id. Raises :class:`~mt_paas.errors.LinkExpired`."""
        if not equal(token, self._token(operation_id)):
            raise LinkExpired
        operation = await self._manager.operations.get(operation_id)
        name = await self._wanted(operation)
        if name is None or not await asyncio.to_thread((self._folder / name).is_file):
            raise LinkExpired
        return self._folder / name, operation.task.tenant_id

    async def discard(self, operation_id: str, *, but: str | None = None) -> None:
        """Delete what there is of an export, ``but`` the file of this name."""
        for path in await self._files(f"{operation_id}.*"):
            if path.name != but:
                await _on_disk(path.unlink, missing_ok=True)

    async def discard_all_of(self, tenant_id: str) -> None:
        """Delete every export of the tenant."""
        for operation_id in await self._manager.operations.exports_of(tenant_id):
            await self.discard(operation_id)

    async def sweep(self) -> None:
        """Delete the files whose time is over, whose tenant is gone, or that nobody is going to complete."""
        for operation_id in {path.name.partition(".")[0] for path in await self._files("op_*")}:
            wanted = None
            with suppress(OperationNotFound):
                operation = await self._manager.operations.get(operation_id)
                if operation.status is OperationStatus.IN_PROGRESS:
                    continue
                wanted = await self._wanted(operation)
            await self.discard(operation_id, but=wanted)

    async def _wanted(self, operation: StoredOperation) -> str | None:
        """Return the name of the file that the operation ended with; null where nobody may have it any more."""
        if operation.status is not OperationStatus.SUCCEEDED or operation.result is None:
            return None
        with suppress(TenantNotFound):
            tenant = await self._manager.get_tenant(operation.task.tenant_id)
            if tenant.is_known and datetime.fromisoformat(operation.result["expires_at"]) > self._manager.clock():
                return str(operation.result["file"])
        return None

    async def _files(self, pattern: str) -> list[Path]:
        return await asyncio.to_thread(lambda: list(self._folder.glob(pattern)))

    async def _lines(self, tenant: Tenant) -> AsyncGenerator[bytes]:
        profile = tenant.profile
        head = {
            "format": "mt_paas.export",
            "version": 1,
            "service": self._manager.service_id,
            "exported_at": self._manager.clock().isoformat(),
            "tenant_id": tenant.tenant_id,
            "name": profile.name,
            "plan": profile.plan,
            "features": list(profile.features),
            "config": dict(profile.config),
            "admin": {"email": profile.admin_email, "name": profile.admin_name},
            "created_at": tenant.created_at.isoformat(),
        }
        yield _line(head)
        rows = 0
        async with self._manager.visit(tenant, closed=True, snapshot=True) as session:
            for schema, name, is_home in (await session.execute(_TABLES)).all():
                if is_home and name in PRIVATE:
                    continue
                async with aclosing(_rows(session, schema, name)) as all_rows:
                    async for documents in all_rows:
                        rows += len(documents)
                        yield _rows_as_lines(name if is_home else f"{schema}.{name}", documents)
        yield _line({"end": True, "rows": rows})

    def _token(self, operation_id: str) -> str:
        return derive_token(self._manager.identity.secret, "export", operation_id)


async def _rows(session: AsyncSession, schema: str, name: str) -> AsyncGenerator[list[str]]:
    """Return the table's rows as JSON, some at a time; of one that is long only the place is fetched with the others.

    Within the snapshot of the transaction no row changes its place.
    """
    each = table(name, schema=schema).alias("t")
    document = cast(func.row_to_json(literal_column("t.*")), Text).label("document")
    made = select(document).offset(0).lateral("d")  # the offset keeps it from being made twice
    places = (cast(literal_column("t.tableoid"), BigInteger).label("part"), cast(literal_column("t.ctid"), Text))
    is_short = func.octet_length(made.c.document) <= _SHORT
    several = select(case((is_short, made.c.document)).label("document"), *places).select_from(each.join(made, true()))
    there = text("t.ctid = CAST(:place AS tid) AND t.tableoid = :part")
    there = there.bindparams(bindparam("place", type_=Text), bindparam("part", type_=BigInteger))
    alone = select(document).select_from(each).where(there)
    found = await session.stream(several, execution_options={"yield_per": _ROWS_AT_ONCE})
    async for rows in found.partitions():
        short: list[str] = []
        for content, part, place in rows:
            if content is not None:
                short.append(content)
            else:
                yield [(await session.scalars(alone, {"part": part, "place": place})).one()]
        yield short


def _rows_as_lines(name: str, documents: list[str]) -> bytes:
    begin = f'{{"table":{json.dumps(name, ensure_ascii=False)},"row":'
    return "".join(f"{begin}{document.translate(_LINE_ENDS)}}}\n" for document in documents).encode()


# A column of the type json keeps the line breaks that it was written with, between its tokens. What else some readers
# take for the end of a line stands in texts alone.
_LINE_ENDS = str.maketrans({"\r": " ", "\n": " ", "\x85": r"\u0085", "\u2028": r"\u2028", "\u2029": r"\u2029"})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _open_private(path: Path) -> Any:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path.open("wb")


async def _on_disk(work: Any, *args: Any, **options: Any) -> Any:
    try:
        return await asyncio.to_thread(work, *args, **options)
    except OSError as error:
        raise InternalError(f"The export can not be kept on this machine's disk ({type(error).__name__}).") from error
