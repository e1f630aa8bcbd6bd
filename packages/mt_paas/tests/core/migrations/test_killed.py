from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("dies_while_migrating.py")


@pytest.fixture
def place(registry_url: str, prefix: str) -> list[str]:
    """Return where the tenants are, as the program is told it."""
    return [registry_url, prefix]


@pytest.mark.system
@pytest.mark.timeout(600)  # some twenty processes
@pytest.mark.parametrize("kind", ["DATABASE_PER_TENANT", "SCHEMA_PER_TENANT"])
async def test_killed_anywhere_the_same_command_again_completes(kind, scripts, release, tenants_of, place):
    async with release(kind) as manager:
        tenants = tenants_of(manager)
        await tenants.activate("hallym_univ", "other_univ")
        await tenants.write("hallym_univ", "four")
        await tenants.write("other_univ", "five!")
    scripts.release("two", "three")

    child = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        *place,
        scripts.folder,
        kind,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()

    assert child.returncode == 0, err.decode()
    assert int(out) > 10
    async with release(kind) as manager:
        tenants = tenants_of(manager)
        assert await tenants.ask("hallym_univ", "SELECT length FROM note") == 4
        assert await tenants.ask("other_univ", "SELECT length FROM note") == 5
        assert {(await manager.get_tenant(name)).revision for name in ("hallym_univ", "other_univ")} == {"three"}
        assert await manager.tenants_behind() == 0
