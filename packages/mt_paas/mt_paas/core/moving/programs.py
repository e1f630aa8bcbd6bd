"""PostgreSQL's own programs for dumps: found, checked, and run with the password in their environment."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from mt_paas.errors import BackupInvalid, ConfigurationError
from mt_paas.postgres.binaries import find_binaries

__all__ = ["dumped", "restored"]

_PIECE = 1024 * 1024
_TOLD = 500


async def dumped(url: str, *options: str, server: int) -> AsyncIterator[bytes]:
    """Yield a dump of the database at ``url`` in the custom format, as ``pg_dump`` writes it."""
    program = await _find("pg_dump", server)
    given = ["--format=custom", "--no-owner", "--no-privileges", *options]
    process = await _start(program, url, *given, stdin=asyncio.subprocess.DEVNULL)
    told = asyncio.create_task(_read(process.stderr))
    try:
        while process.stdout is not None and (piece := await process.stdout.read(_PIECE)):
            yield piece
        if await process.wait():
            raise BackupInvalid(f"pg_dump failed: {_last(await told)}")
    finally:
        await _end(process, told)


async def restored(url: str, dump: Iterable[bytes], *, server: int) -> None:
    """Restore a dump into the empty database at ``url``, by ``pg_restore``."""
    program = await _find("pg_restore", server)
    given = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    given += ["--clean", "--if-exists"]  # some dumps make the schema public, which is there
    process = await _start(program, url, *given, stdin=asyncio.subprocess.PIPE)
    told = asyncio.gather(_read(process.stderr), _read(process.stdout))
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended before all was read, and tells why
            if process.stdin is not None:
                for piece in dump:
                    process.stdin.write(piece)
                    await process.stdin.drain()
                process.stdin.close()
        if await process.wait():
            raise BackupInvalid(f"pg_restore failed: {_last((await told)[0])}")
    finally:
        await _end(process, told)


async def _start(program: Path, url: str, *options: str, stdin: int) -> asyncio.subprocess.Process:
    """Start the program; what it connects by is in its environment, where other users do not see it."""
    parsed = make_url(url)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment |= {
        "PGHOST": parsed.host or str(parsed.query.get("host", "")),
        "PGPORT": str(parsed.port or ""),
        "PGUSER": parsed.username or "",
        "PGPASSWORD": str(parsed.password or ""),
        "PGDATABASE": parsed.database or "",
        "PGSSLMODE": str(parsed.query.get("sslmode", "")),
        "PGSSLROOTCERT": str(parsed.query.get("sslrootcert", "")),
        "PGCONNECT_TIMEOUT": "10",
    }
    named = ["--dbname", parsed.database or ""] if program.name == "pg_restore" else []
    return await asyncio.create_subprocess_exec(
        program,
        *options,
        *named,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in environment.items() if value},
    )


async def _end(process: asyncio.subprocess.Process, told: asyncio.Future[Any]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await asyncio.wait([told])


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    return await stream.read() if stream is not None else b""


def _last(told: bytes) -> str:
    return told.decode(errors="replace").strip()[-_TOLD:] or "it said nothing"


async def _find(name: str, server: int) -> Path:
    """Return the program, of the server's major version or a newer one."""
    found: dict[str, int] = {}
    for folder in _folders():
        program = folder / name
        major = await _major(program)
        if major is not None and major >= server:
            return program
        if major is not None:
            found[str(program)] = major
    there = ", ".join(f"{path} ({major})" for path, major in found.items()) or "none"
    raise ConfigurationError(
        f"{name} of PostgreSQL {server} or newer is needed for this server; here are: {there}. "
        f"Install the client programs of PostgreSQL {server}, or name their folder in MT_POSTGRES_BIN"
    )


def _folders() -> list[Path]:
    named = os.environ.get("MT_POSTGRES_BIN")
    if named:
        return [Path(named)]
    folders = [Path(path).parent for path in [shutil.which("pg_dump")] if path]
    with suppress(ConfigurationError):
        folders.append(find_binaries())
    return [*folders, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


async def _major(program: Path) -> int | None:
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    number = re.search(rb"\(PostgreSQL\) (\d+)", (await process.communicate())[0])
    return int(number[1]) if number else None
