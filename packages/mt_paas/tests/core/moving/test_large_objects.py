"""Large objects are in no table, so no move and no restore brings them: that is told before something is lost."""

from __future__ import annotations

import psycopg
import pytest
from mt_paas.core.moving.mover import MoveOptions
from mt_paas.core.moving.places import place_of
from mt_paas.errors import BackupInvalid, MoveFailed

OWN, SCHEMA = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT"


async def test_one_that_is_made_while_the_tenant_moves_is_not_lost(manager, tenant):
    reader = await tenant(OWN)
    place = await place_of(manager.isolation, await manager.get_tenant("hallym_univ"))
    before = await reader.everything()

    def report(word: str) -> None:
        if word == "copied":
            with psycopg.connect(place.url, autocommit=True) as connection:
                connection.execute("SELECT lo_from_bytea(70000, 'large')")

    with pytest.raises(MoveFailed, match=r"large object .* would be lost"):
        await manager.move_tenant("hallym_univ", SCHEMA, options=MoveOptions(report=report))

    assert (await manager.get_tenant("hallym_univ")).isolation == OWN
    assert await reader.everything() == before
    async with place.connect() as connection:
        assert await (await connection.execute("SELECT lo_get(70000)")).fetchall() == [(b"large",)]


async def test_a_backup_that_could_not_be_restored_is_not_written(manager, tenant, tmp_path):
    reader, path = await tenant(OWN), tmp_path / "hallym.backup"
    await reader.ask("SELECT lo_from_bytea(0, 'large')")

    with pytest.raises(BackupInvalid, match="tenant hallym_univ has large objects"):
        await manager.backup_tenant("hallym_univ", path)

    assert not path.exists()
