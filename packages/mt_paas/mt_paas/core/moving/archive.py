"""The file of a backup: a ZIP that holds ``manifest.json`` and ``tenant.dump``, a dump in PostgreSQL's custom format.

The manifest says whose data these are, how many rows each table has and what their checksums are, and what the SHA-256
of the dump is; no secrets. The file has its name only when all of it is on the disk: a process that dies, or a disk
that is full, leaves nothing under that name. Whoever can read a backup has the tenant's data: its owner alone can.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mt_paas.core.moving.checks import Sum
from mt_paas.errors import BackupInvalid

__all__ = ["BackupManifest", "check_archive", "dump_of", "require_free", "write_archive"]

FORMAT = 1
_MANIFEST, _DUMP = "manifest.json", "tenant.dump"
_PIECE = 1024 * 1024
_LARGEST_MANIFEST = 64 * 1024 * 1024


class BackupManifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(frozen=True)

    format: Annotated[int, Field(description="The version of this format.")] = FORMAT
    tenant_id: Annotated[str, Field(description="Whose data these are.")]
    name: Annotated[str, Field(description="The name that people read.")]
    plan: Annotated[str, Field(description="The plan that the tenant was on.")]
    features: Annotated[tuple[str, ...], Field(description="The features that it had.")]
    service_id: Annotated[str, Field(description="The service that they are of.")]
    isolation: Annotated[str, Field(description="How the tenant was kept apart; it may be restored into any other.")]
    revision: Annotated[tuple[str, ...], Field(description="Alembic's revisions of its tables; none without Alembic.")]
    created_at: Annotated[datetime, Field(description="When the backup was made.")]
    server: Annotated[int, Field(description="The major version of the PostgreSQL server.")]
    tables: Annotated[dict[str, Sum], Field(description="The rows of each table and their checksum.")]
    sha256: Annotated[str, Field(description="The SHA-256 of the dump.")] = ""


def require_free(path: Path, *, replace: bool = False) -> None:
    """Raise :class:`~mt_paas.errors.BackupInvalid` where something has the name ``path``: it may be the only backup.

    Where it may be replaced, that is of files alone: a device or a pipe would be gone, and a file in its place.
    """
    if not os.path.lexists(path):  # a link to nowhere would be replaced too
        return
    if not replace:
        raise BackupInvalid(f"{path} is there, and was left as it is: replace it (--replace), or name another file")
    if path.exists() and not path.is_file():
        raise BackupInvalid(f"{path} is no file, and was left as it is: name a file")


async def write_archive(
    path: Path, manifest: Callable[[], BackupManifest], dump: AsyncIterator[bytes], *, replace: bool = False
) -> BackupManifest:
    """Write the backup to ``path``; ``manifest`` is asked when all of ``dump`` has come.

    A file that is there is left as it is, also one that comes meanwhile, unless ``replace`` says otherwise.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    digest = hashlib.sha256()
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                with archive.open(zipfile.ZipInfo(_DUMP), "w", force_zip64=True) as sink:
                    async for piece in dump:
                        digest.update(piece)
                        sink.write(piece)
                whole = manifest().model_copy(update={"sha256": digest.hexdigest()})
                archive.writestr(_MANIFEST, whole.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        require_free(path, replace=replace)
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise BackupInvalid(f"the backup could not be written to {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # of which the error above tells
            part.unlink(missing_ok=True)
    return whole


def _sync(folder: Path) -> None:
    """Make sure that the name of a file is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_archive(path: Path) -> BackupManifest:
    """Return the manifest of the backup at ``path``, after reading all of it.

    Raises :class:`~mt_paas.errors.BackupInvalid` when it is cut off, was altered, or is none.
    """
    with _opened(path) as archive:
        names = sorted(archive.namelist())
        if names != sorted([_MANIFEST, _DUMP]):
            raise BackupInvalid(f"{path} is no backup of a tenant: it holds {', '.join(names) or 'nothing'}")
        if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
            raise BackupInvalid(f"{path} is no backup of a tenant: its manifest is too large")
        try:
            given: dict[str, Any] = json.loads(archive.read(_MANIFEST))
            manifest = BackupManifest.model_validate(given)
        except (ValueError, ValidationError) as error:
            raise BackupInvalid(f"the manifest in {path} can not be read: {type(error).__name__}") from error
    if manifest.format != FORMAT:
        raise BackupInvalid(f"{path} has format {manifest.format}, and this version of mt_paas reads {FORMAT}")
    digest = hashlib.sha256()
    for piece in dump_of(path):
        digest.update(piece)
    if digest.hexdigest() != manifest.sha256:
        raise BackupInvalid(f"{path} was altered: the SHA-256 of its dump is not the one in its manifest")
    return manifest


def dump_of(path: Path) -> Iterator[bytes]:
    """Yield the dump in pieces."""
    with _opened(path) as archive, archive.open(_DUMP) as dump:
        while piece := dump.read(_PIECE):
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise BackupInvalid(f"{path} is cut off, or was altered, or is no backup of a tenant: {error}") from error
    except OSError as error:
        raise BackupInvalid(f"{path} can not be read: {error.strerror or error}") from error
