"""The users of a tenant: pages, limits and races, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.core.users import UserColumns, Users
from mt_paas.errors import (
    ConfigurationError,
    InvalidQuery,
    TenantNotActive,
    TenantNotFound,
    UserAlreadyExists,
    UserLimitReached,
    UserNotFound,
)
from mt_paas.standard_api.handler import UserQuery
from mt_paas.standard_api.models import (
    DeactivateReason,
    DeactivateRequest,
    TenantConfig,
    UserCreate,
    UserStatus,
    UserUpdate,
)
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES
from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, Table, Text, text

CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
EXISTING = MetaData()
ACCOUNTS = Table(
    "account",
    EXISTING,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("mail", Text),
    Column("display_name", Text),
    Column("kind", Text),
    Column("state", Text),
    Column("since", DateTime(timezone=True)),
)


def user(who: str, **facts) -> UserCreate:
    return UserCreate(email=f"{who}@hallym.ac.kr", **facts)


@pytest.fixture
async def school(handler, activation) -> str:
    """A tenant without a limit worth the name."""
    await handler.activate_tenant(activation("school", config=TenantConfig(max_users=1000)))
    return "school"


async def walk(handler, tenant_id: str, limit: int, **filters) -> list[str]:
    seen, cursor = [], None
    while True:
        page = await handler.list_users(tenant_id, UserQuery(cursor=cursor, limit=limit, **filters))
        seen += [found.email.partition("@")[0] for found in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seen


class TestCreate:
    async def test_a_new_user_is_invited_and_listed(self, handler, school, clock):
        made = await handler.create_user(school, user("kim", name="김하나", role="teacher"))

        assert (made.email, made.name, made.role, made.status) == ("kim@hallym.ac.kr", "김하나", "teacher", "invited")
        assert (made.created_at, made.last_active_at) == (clock(), None)
        assert (await handler.list_users(school, UserQuery())).items == [made]

    async def test_what_is_left_out_is_filled_in(self, handler, school):
        made = await handler.create_user(school, user("kim"))

        assert (made.name, made.role) == ("kim", "member")

    async def test_an_address_is_there_once_in_whatever_letter_case(self, handler, school):
        for there in ("kim@hallym.ac.kr", "straße@x.kr", "école@x.kr"):
            await handler.create_user(school, UserCreate(email=there))

        for email in ("kim@hallym.ac.kr", "KIM@Hallym.AC.KR", "STRASSE@x.kr", "ÉCOLE@x.kr"):
            with pytest.raises(UserAlreadyExists):
                await handler.create_user(school, UserCreate(email=email))

    async def test_the_same_address_at_once_makes_one_user(self, handler, school):
        answers = await asyncio.gather(
            *(handler.create_user(school, user("kim")) for _ in range(8)), return_exceptions=True
        )

        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
        assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {UserAlreadyExists}

    async def test_an_unknown_tenant_is_told(self, handler):
        with pytest.raises(TenantNotFound):
            await handler.create_user("nobody", user("kim"))


class TestLimit:
    async def test_is_never_exceeded_however_many_come_at_once(self, handler, activation):
        await handler.activate_tenant(activation(config=TenantConfig(max_users=5)))

        answers = await asyncio.gather(
            *(handler.create_user("hallym_univ", user(f"u{number}")) for number in range(16)), return_exceptions=True
        )

        assert sum(isinstance(answer, UserLimitReached) for answer in answers) == 11
        assert (await handler.list_users("hallym_univ", UserQuery())).total == 5

    async def test_is_the_plans_where_the_configuration_says_nothing(self, handler, tenant_id):
        for number in range(3):
            await handler.create_user(tenant_id, user(f"u{number}"))

        with pytest.raises(UserLimitReached) as refused:
            await handler.create_user(tenant_id, user("one_more"))

        assert refused.value.details == {"max_users": 3}

    async def test_deleting_frees_a_place(self, handler, tenant_id):
        made = [await handler.create_user(tenant_id, user(f"u{number}")) for number in range(3)]

        await handler.delete_user(tenant_id, made[0].id)

        assert (await handler.create_user(tenant_id, user("next"))).email == "next@hallym.ac.kr"

    async def test_an_address_that_is_there_is_told_before_it(self, handler, tenant_id):
        for number in range(3):
            await handler.create_user(tenant_id, user(f"u{number}"))

        with pytest.raises(UserAlreadyExists):
            await handler.create_user(tenant_id, user("u0"))


class TestChange:
    async def test_touches_only_what_is_named(self, handler, school):
        made = await handler.create_user(school, user("kim", name="Kim", role="teacher"))

        changed = await handler.update_user(school, made.id, UserUpdate(status=UserStatus.DISABLED))

        assert changed == made.model_copy(update={"status": UserStatus.DISABLED})
        assert (await handler.list_users(school, UserQuery())).items == [changed]

    async def test_naming_nothing_changes_nothing(self, handler, school):
        made = await handler.create_user(school, user("kim"))

        assert await handler.update_user(school, made.id, UserUpdate()) == made

    async def test_an_unknown_user_is_told(self, handler, school):
        for user_id in ("u_unknown", "7", "'; DROP TABLE mt_user", "한"):
            for change in (UserUpdate(name="X"), UserUpdate()):
                with pytest.raises(UserNotFound):
                    await handler.update_user(school, user_id, change)
            with pytest.raises(UserNotFound):
                await handler.delete_user(school, user_id)

    async def test_another_tenants_user_is_unknown(self, handler, school, tenant_id):
        made = await handler.create_user(school, user("kim"))

        with pytest.raises(UserNotFound):
            await handler.delete_user(tenant_id, made.id)

        assert (await handler.list_users(school, UserQuery())).total == 1


class TestPages:
    @pytest.fixture
    async def names(self, handler, school, clock) -> list[str]:
        """Seven users; three of them came in the same moment."""
        names = [f"u{number}" for number in range(7)]
        for number, name in enumerate(names):
            await handler.create_user(
                school, user(name, name=f"Name {number}", role=["teacher", "student"][number % 2])
            )
            if number not in {2, 3}:
                clock.move(seconds=1)
        return names

    async def test_walking_gives_every_user_once_oldest_first(self, handler, school, names):
        for limit in (1, 2, 3, 7, 500):
            seen = await walk(handler, school, limit)

            assert sorted(seen) == names
            assert seen[:2] + seen[5:] == names[:2] + names[5:]

    async def test_the_total_is_the_same_on_each_page(self, handler, school, names):
        first = await handler.list_users(school, UserQuery(limit=3))
        second = await handler.list_users(school, UserQuery(limit=3, cursor=first.next_cursor))

        assert (first.total, second.total) == (7, 7)

    async def test_who_comes_and_goes_meanwhile_makes_nobody_appear_twice_or_vanish(self, handler, school, names):
        first = await handler.list_users(school, UserQuery(limit=3))
        await handler.delete_user(school, first.items[0].id)
        await handler.create_user(school, user("late"))

        rest = []
        cursor = first.next_cursor
        while cursor is not None:
            page = await handler.list_users(school, UserQuery(limit=3, cursor=cursor))
            rest += [found.email.partition("@")[0] for found in page.items]
            cursor = page.next_cursor

        shown = [found.email.partition("@")[0] for found in first.items]
        assert sorted(shown + rest) == sorted([*names, "late"])

    async def test_filters_narrow(self, handler, school, names):
        cases = [
            ({"role": "teacher"}, ["u0", "u2", "u4", "u6"]),
            ({"q": "NAME 3"}, ["u3"]),
            ({"q": "U5@HALLYM"}, ["u5"]),
            ({"q": "%"}, []),
            ({"q": "_"}, []),
            ({"q": "name", "role": "student", "status": UserStatus.INVITED}, ["u1", "u3", "u5"]),
            ({"status": UserStatus.ACTIVE}, []),
            ({"role": "' OR true --"}, []),
        ]
        for filters, expected in cases:
            assert sorted(await walk(handler, school, 2, **filters)) == expected
            assert (await handler.list_users(school, UserQuery(limit=1, **filters))).total == len(expected)

    async def test_a_cursor_is_good_for_its_own_list_alone(self, handler, school, names, tenant_id):
        cursor = (await handler.list_users(school, UserQuery(limit=2))).next_cursor
        made_up = ["", "x", "AP8=", "한림", cursor[:-1], cursor + "a", "W10." + cursor.partition(".")[2], "a" * 4000]

        for elsewhere in made_up:
            with pytest.raises(InvalidQuery):
                await handler.list_users(school, UserQuery(cursor=elsewhere))
        for tenant, filters in [(tenant_id, {}), (school, {"q": "u"}), (school, {"role": "teacher"})]:
            with pytest.raises(InvalidQuery):
                await handler.list_users(tenant, UserQuery(cursor=cursor, **filters))

    async def test_a_filter_that_no_database_takes_is_refused(self, handler, school):
        with pytest.raises(InvalidQuery):
            await handler.list_users(school, UserQuery(q="a\0b"))


class TestStates:
    async def test_a_suspended_tenants_users_are_shown_and_a_deactivated_ones_not(self, handler, manager, school):
        await handler.create_user(school, user("kim"))
        await manager.suspend_tenant(school, "unpaid bill")

        assert (await handler.list_users(school, UserQuery())).total == 1
        assert (await handler.get_tenant_status(school)).users.total == 1

        await handler.deactivate_tenant(school, CLOSING)
        for call in (handler.list_users(school, UserQuery()), handler.create_user(school, user("lee"))):
            with pytest.raises(TenantNotActive):
                await call

    async def test_users_are_kept_through_a_deactivation(self, handler, school, activation):
        made = await handler.create_user(school, user("kim"))
        await handler.deactivate_tenant(school, CLOSING)
        await handler.activate_tenant(activation(school))

        assert (await handler.list_users(school, UserQuery())).items == [made]

    async def test_they_are_counted_in_the_status(self, handler, manager, school, clock):
        made = [await handler.create_user(school, user(name)) for name in ("kim", "lee")]
        async with manager.visit(await manager.get_tenant(school)) as session:
            await handler.users.was_active(session, made[0].id, clock() - timedelta(days=1))
            await handler.users.was_active(session, made[1].id, clock())

        users = (await handler.get_tenant_status(school)).users

        assert (users.total, users.active_today) == (2, 1)
        assert {found.status for found in (await handler.list_users(school, UserQuery())).items} == {"active"}


class TestOwnTable:
    """A service whose users are in a table of its own."""

    @pytest.fixture
    async def handler(self, new_manager, manifest, activation, empty_registry_url):
        class Handler(ManagedTenantHandler):
            users = Users(
                UserColumns(
                    id=ACCOUNTS.c.number,
                    email=ACCOUNTS.c.mail,
                    name=ACCOUNTS.c.display_name,
                    role=ACCOUNTS.c.kind,
                    status=ACCOUNTS.c.state,
                    created_at=ACCOUNTS.c.since,
                )
            )

        async with new_manager(metadata=EXISTING, database_url=empty_registry_url) as manager:
            handler = Handler(manager, manifest)
            await handler.activate_tenant(activation())
            yield handler

    async def test_is_what_the_calls_read_and_write(self, handler):
        made = await handler.create_user("hallym_univ", user("kim", name="Kim"))
        await handler.create_user("hallym_univ", user("lee"))
        await handler.update_user("hallym_univ", made.id, UserUpdate(role="teacher"))
        with pytest.raises(UserAlreadyExists):
            await handler.create_user("hallym_univ", UserCreate(email="KIM@hallym.ac.kr"))
        async with handler.manager.get_tenant_session("hallym_univ") as session:
            rows = (await session.execute(text("SELECT number, mail, kind FROM account ORDER BY 1"))).all()

        assert rows == [(1, "kim@hallym.ac.kr", "teacher"), (2, "lee@hallym.ac.kr", "member")]
        assert await walk(handler, "hallym_univ", 1) == ["kim", "lee"]
        assert (await handler.get_tenant_status("hallym_univ")).users.total == 2

    async def test_what_is_longer_there_than_the_contract_takes_is_shown_on_pages_that_a_caller_can_read(self, handler):
        async with handler.manager.get_tenant_session("hallym_univ") as session:
            await session.execute(
                text(
                    "INSERT INTO account (mail, display_name, kind, state, since) SELECT"
                    " n || repeat('😀', 60) || '@' || repeat('😀', 190), n || repeat('😀', 9999), repeat('😀', 9999),"
                    " 'active', now() FROM generate_series(1, 500) AS n"
                )
            )
        seen, pages, cursor = [], 0, None
        while not pages or cursor is not None:
            page = await handler.list_users("hallym_univ", UserQuery(cursor=cursor, limit=500))
            assert len(page.model_dump_json().encode()) <= MAX_ANSWER_BYTES
            seen += page.items
            cursor, pages = page.next_cursor, pages + 1

        assert (pages, page.total) == (2, 500)
        assert sorted(int(user.id) for user in seen) == list(range(1, 501))
        assert {(len(user.name), len(user.role)) for user in seen} == {(200, 200)}

    async def test_an_id_that_is_none_is_an_unknown_user(self, handler):
        await handler.create_user("hallym_univ", user("kim"))

        for user_id in ("3", "01", "x", "１", "9" * 40, "1e3", "-1", " 1", "1_0", "+1"):
            with pytest.raises(UserNotFound):
                await handler.delete_user("hallym_univ", user_id)


class TestTables:
    def test_a_service_may_not_have_the_librarys_names(self, new_manager):
        taken = MetaData()
        Table("mt_user", taken, Column("id", BigInteger, primary_key=True))

        with pytest.raises(ConfigurationError, match="mt_user"):
            new_manager(database_url="postgresql://localhost/registry", metadata=taken)

    async def test_a_tenant_that_is_older_than_they_are_gets_them(
        self, handler, server, registry_url, tenant_id, prefix
    ):
        _as_an_older_version_left_it(registry_url, server, f"{prefix}{tenant_id}")

        made = await asyncio.gather(*(handler.create_user(tenant_id, user(f"u{number}")) for number in range(3)))

        assert (await handler.list_users(tenant_id, UserQuery())).total == len(made) == 3


def _as_an_older_version_left_it(registry_url: str, server, database: str) -> None:
    import psycopg

    with psycopg.connect(server.url.rpartition("/")[0] + f"/{database}" + _query(server.url)) as connection:
        connection.execute("DROP TABLE mt_user, mt_settings, mt_login, mt_session")
    with psycopg.connect(registry_url) as connection:
        connection.execute("UPDATE mt_tenant SET tables = 0")


def _query(url: str) -> str:
    _, mark, query = url.partition("?")
    return mark + query
