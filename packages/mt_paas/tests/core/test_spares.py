"""Two versions of one service beside each other, as in a rolling upgrade: each keeps spare databases of its own."""

from __future__ import annotations

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from sqlalchemy import Column, Integer, MetaData, Table

NEWER = MetaData()
Table("thing", NEWER, Column("id", Integer, primary_key=True))


def spares_of(manager):
    return manager._parts.isolation.named("DATABASE_PER_TENANT")._spares


@pytest.fixture
def version(new_manager, empty_registry_url):
    """Make a manager of this version of the service, which keeps a spare."""

    def make(**options):
        return new_manager(database_url=empty_registry_url, isolation=IsolationPlan(spares=1), **options)

    return make


async def test_versions_beside_each_other_leave_the_spares_of_the_other(version, tenants_of, server):
    async with version() as older, version(metadata=NEWER) as newer:
        await spares_of(newer).ready()  # it has dropped what was there of others
        for number, manager in enumerate((older, newer, older, newer)):
            await tenants_of(manager).activate(f"univ_{number}")
            await spares_of(manager).ready()

        assert [len(server.databases(spares_of(manager).begin)) for manager in (older, newer)] == [1, 1]


async def test_a_start_drops_the_spares_that_others_have_left(version, server):
    async with version() as older:
        await spares_of(older).ready()
        left = server.databases(spares_of(older).begin)
    async with version(metadata=NEWER) as newer:
        await spares_of(newer).ready()

        there = server.databases(f"mt_{newer.identity.registry_id.hex}_spare_")
        assert there == server.databases(spares_of(newer).begin)
        assert not set(left).intersection(there)
