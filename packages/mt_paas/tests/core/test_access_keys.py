"""Access keys with names: made, listed, replaced and ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from mt_paas.core.access_keys import AccessKey
from mt_paas.core.models import make_tables
from mt_paas.errors import InvalidBody, LinkExpired, NotFound, TenantNotFound
from mt_paas.utils.security import digest_token


@pytest.fixture
async def keys(manager, tenants):
    await tenants.activate("hallym_univ", "other_univ")
    return manager.access_keys


class TestCreate:
    async def test_the_key_is_found_by_its_digest_and_kept_as_nothing_else(self, keys, manager, server):
        made = await keys.create("hallym_univ", name="robot", scopes=["notes:read", "notes:read"])

        found = await keys.find(digest_token(made.secret))

        assert found == made.key
        assert (found.tenant_id, found.name, found.scopes) == ("hallym_univ", "robot", {"notes:read"})
        assert made.secret.startswith("mtk_")
        assert made.secret not in repr(made)

    async def test_without_scopes_it_may_do_all_and_with_none_nothing(self, keys):
        everything = await keys.create("hallym_univ", name="everything")
        nothing = await keys.create("hallym_univ", name="nothing", scopes=[])

        assert (await keys.find(everything.key.digest)).scopes is None
        assert (await keys.find(nothing.key.digest)).scopes == frozenset()

    async def test_it_ends_at_its_time(self, keys, clock):
        made = await keys.create("hallym_univ", name="robot", expires_at=clock() + timedelta(minutes=1))

        assert made.key.is_valid(clock())
        clock.move(minutes=1)
        assert not made.key.is_valid(clock())

    async def test_a_tenant_that_is_not_there_has_none(self, keys):
        with pytest.raises(TenantNotFound):
            await keys.create("nobody_univ", name="robot")

    @pytest.mark.parametrize("name", ["", " ", "a\nb", " a", "a" * 201])
    async def test_a_name_is_one_visible_line(self, keys, name):
        with pytest.raises(InvalidBody, match="name"):
            await keys.create("hallym_univ", name=name)

    @pytest.mark.parametrize("scope", ["", "two words", 'quo"te', "é", "x" * 101])
    async def test_a_scope_is_a_word_of_ascii(self, keys, scope):
        with pytest.raises(InvalidBody, match="scopes"):
            await keys.create("hallym_univ", name="robot", scopes=[scope])

    async def test_its_end_is_to_come_and_has_a_time_zone(self, keys, clock):
        for end in (clock(), (clock() + timedelta(days=1)).replace(tzinfo=None)):
            with pytest.raises(InvalidBody, match="expires_at"):
                await keys.create("hallym_univ", name="robot", expires_at=end)


class TestList:
    async def test_shows_the_tenants_own_ended_ones_too(self, keys, clock):
        first = await keys.create("hallym_univ", name="first")
        await keys.create("other_univ", name="foreign")
        second = await keys.create("hallym_univ", name="second")
        await keys.revoke("hallym_univ", first.key.key_id)

        listed = await keys.list("hallym_univ")

        assert [(key.name, key.is_valid(clock())) for key in listed] == [("first", False), ("second", True)]
        assert listed[1] == second.key


class TestRevoke:
    async def test_ends_the_key_at_once_and_again_is_fine(self, keys, clock):
        made = await keys.create("hallym_univ", name="robot")

        await keys.revoke("hallym_univ", made.key.key_id)
        clock.move(hours=1)
        await keys.revoke("hallym_univ", made.key.key_id)

        assert (await keys.find(made.key.digest)).expires_at == clock() - timedelta(hours=1)

    async def test_the_key_of_another_tenant_is_not_there(self, keys, clock):
        made = await keys.create("hallym_univ", name="robot")

        with pytest.raises(NotFound):
            await keys.revoke("other_univ", made.key.key_id)

        assert (await keys.find(made.key.digest)).is_valid(clock())

    async def test_does_not_let_the_set_up_link_be_used_again(self, keys, manager, clock):
        tenant = await manager.get_tenant("hallym_univ")
        await manager.add_access_key(tenant, "a" * 64)
        (key,) = await keys.list("hallym_univ")

        await keys.revoke("hallym_univ", key.key_id)

        with pytest.raises(LinkExpired):
            await manager.add_access_key(tenant, "b" * 64)


class TestRotate:
    async def test_the_old_key_works_for_a_while_and_the_new_one_is_like_it(self, keys, clock):
        end = clock() + timedelta(days=30)
        old = await keys.create("hallym_univ", name="robot", scopes=["notes:read"], expires_at=end)

        new = await keys.rotate("hallym_univ", old.key.key_id, grace=timedelta(hours=1))

        assert new.secret != old.secret
        assert (new.key.name, new.key.scopes, new.key.expires_at) == ("robot", {"notes:read"}, end)
        assert (await keys.find(old.key.digest)).is_valid(clock())
        clock.move(hours=1)
        assert not (await keys.find(old.key.digest)).is_valid(clock())

    async def test_a_grace_does_not_lengthen_the_life_of_a_key(self, keys, clock):
        end = clock() + timedelta(minutes=5)
        old = await keys.create("hallym_univ", name="robot", expires_at=end)

        await keys.rotate("hallym_univ", old.key.key_id, grace=timedelta(hours=1))

        assert (await keys.find(old.key.digest)).expires_at == end

    async def test_an_ended_key_is_not_replaced(self, keys):
        old = await keys.create("hallym_univ", name="robot")
        await keys.revoke("hallym_univ", old.key.key_id)

        with pytest.raises(NotFound):
            await keys.rotate("hallym_univ", old.key.key_id)


class TestUpgrade:
    def test_a_registry_from_before_names_gets_them_and_keeps_its_keys(self, fresh_database):
        engine = sa.create_engine(fresh_database.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            make_tables(connection)
            connection.exec_driver_sql(
                "ALTER TABLE mt_access_key DROP COLUMN name, DROP COLUMN scopes, DROP COLUMN expires_at,"
                " ALTER COLUMN activation SET NOT NULL"
            )
            connection.exec_driver_sql(
                "INSERT INTO mt_tenant (tenant_id, name, service_type, status, plan, features, config, isolation,"
                " database, created_at, activation, data_preserved, version)"
                " VALUES ('hallym_univ', 'Hallym', 'notes', 'active', 'basic', '[]', '{}', 'DATABASE_PER_TENANT',"
                " 'tnnt_hallym_univ', now(), 1, true, 1)"
            )
            connection.exec_driver_sql(
                "INSERT INTO mt_access_key (tenant_id, activation, digest, created_at)"
                " VALUES ('hallym_univ', 1, 'd1', now())"
            )

        with engine.begin() as connection:
            make_tables(connection)
            make_tables(connection)  # once it is there, nothing is left to do
            connection.exec_driver_sql(
                "INSERT INTO mt_access_key (tenant_id, digest, created_at) VALUES ('hallym_univ', 'd2', now())"
            )
            rows = connection.exec_driver_sql(
                "SELECT activation, digest, name, scopes, expires_at FROM mt_access_key ORDER BY id"
            ).all()
        engine.dispose()

        assert [tuple(row) for row in rows] == [(1, "d1", "", None, None), (None, "d2", "", None, None)]


def test_a_key_does_not_show_its_digest(clock):
    key = AccessKey(
        key_id=1,
        tenant_id="hallym_univ",
        name="robot",
        scopes=None,
        created_at=clock(),
        expires_at=None,
        digest="the digest",
    )
    assert "the digest" not in repr(key)
