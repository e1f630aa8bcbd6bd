"""What a restore leaves that fails after the rows came: the tenant as it was, and at work."""

from __future__ import annotations

import pytest
from mt_paas.errors import BackupInvalid
from sqlalchemy import text

OWN, SCHEMA = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT"


class TestARestoreThatIsRefusedAtItsEnd:
    @pytest.mark.parametrize("isolation", [OWN, SCHEMA])
    async def test_leaves_the_numbers_that_were_given_out(self, manager, tenant, tmp_path, isolation):
        reader, path = await tenant(isolation), tmp_path / "hallym.backup"
        await reader.ask("INSERT INTO loan (n) VALUES (1)")
        await manager.backup_tenant("hallym_univ", path)
        await reader.ask("INSERT INTO loan (n) VALUES (2), (3)")
        async with manager._parts.isolation.owner(await manager.get_tenant("hallym_univ")) as owner:
            await owner.execute(text("ALTER TABLE book DROP COLUMN pages"))
            await owner.execute(text("ALTER TABLE book ADD COLUMN pages int GENERATED ALWAYS AS (words / 2) STORED"))

        with pytest.raises(BackupInvalid, match=r"table book .* not the same"):
            await manager.restore_tenant(path, replace=True)

        assert await reader.ask("INSERT INTO loan (n) VALUES (4) RETURNING id") == [(4,)]
