"""Figures and resources: right empty answers by default, and what a service counts where it does."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.errors import InvalidQuery, TenantNotActive, TenantNotFound
from mt_paas.standard_api.handler import ResourceQuery
from mt_paas.standard_api.models import (
    DeactivateReason,
    DeactivateRequest,
    ModelCost,
    StatsPoint,
    TopResource,
    TopUser,
    UserCreate,
)
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    literal,
    select,
)

METADATA = MetaData()
COURSES = Table(
    "course",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text),
    Column("title", Text),
    Column("since", DateTime(timezone=True)),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Courses(ManagedTenantHandler):
    """A service with courses and discussions, which knows what they cost."""

    def select_resources(self):
        c = COURSES.c
        return select(
            c.id,
            c.kind.label("type"),
            c.title.label("name"),
            c.since.label("created_at"),
            (c.since + timedelta(hours=1)).label("updated_at"),
            func.json_build_object("length", func.length(c.title)).label("metadata"),
        )

    async def count_series(self, session, period):
        number = await session.scalar(select(func.count()).select_from(COURSES))
        return [StatsPoint(date=date(2026, 3, 1), api_calls=number)]

    async def count_top_resources(self, session, period):
        return [TopResource(id="1", type="course", name="C0")]

    async def count_costs(self, session, period):
        parts = [ModelCost(model="small", cost=Decimal("0.10")), ModelCost(model="large", cost=Decimal("0.20"))]
        return {"total": Decimal("0.30"), "by_model": parts}

    async def count_top_users(self, session, period, limit):
        return [TopUser(user_id=f"u{n}", name=f"U{n}", activity=n) for n in range(5)]


@pytest.fixture
async def courses(new_manager, new_handler, activation, empty_registry_url):
    async with new_manager(metadata=METADATA, database_url=empty_registry_url) as manager:
        handler = new_handler(Courses, manager=manager)
        await handler.activate_tenant(activation())
        async with manager.get_tenant_session("hallym_univ") as session:
            for number in range(7):
                kind, since = ("course", "discussion")[number % 2], NOON + timedelta(minutes=number // 3)
                await session.execute(insert(COURSES).values(kind=kind, title=f"C{number}", since=since))
        yield handler


async def walk(handler, limit: int, kind: str | None = None) -> list[str]:
    seen, cursor = [], None
    while True:
        page = await handler.list_resources("hallym_univ", ResourceQuery(cursor=cursor, limit=limit, type=kind))
        seen += [found.name for found in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seen


class TestOfAServiceThatCountsNothing:
    async def test_figures_are_those_of_the_users_and_the_rest_is_empty(self, handler, tenant_id):
        await handler.create_user(tenant_id, UserCreate(email="kim@x.kr"))

        stats = await handler.get_tenant_stats(tenant_id, "2026-03")
        costs = await handler.get_tenant_costs(tenant_id, "2026-03")

        assert (stats.period, stats.users.total, stats.series, stats.top_resources) == ("2026-03", 1, [], [])
        assert (costs.total, costs.currency, costs.by_model) == (0, "USD", None)
        assert (await handler.get_top_users(tenant_id, "2026-03", 10)).items == []
        assert (await handler.list_resources(tenant_id, ResourceQuery())).items == []
        usage = (await handler.get_tenant_usage(tenant_id, "2026-03")).usage.model_dump(exclude_none=True)
        assert usage.keys() == {"storage_gb"}

    async def test_a_made_up_cursor_is_refused_all_the_same(self, handler, tenant_id):
        with pytest.raises(InvalidQuery):
            await handler.list_resources(tenant_id, ResourceQuery(cursor="x"))

    async def test_a_closed_or_unknown_tenant_is_told(self, handler, tenant_id):
        closing = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
        await handler.deactivate_tenant(tenant_id, closing)

        for known, error in ((tenant_id, TenantNotActive), ("nobody", TenantNotFound)):
            for call in (
                handler.get_tenant_stats(known, "2026-03"),
                handler.get_tenant_costs(known, "2026-03"),
                handler.get_top_users(known, "2026-03", 5),
                handler.list_resources(known, ResourceQuery()),
                handler.get_settings(known),
            ):
                with pytest.raises(error):
                    await call


class TestOfAServiceThatCounts:
    async def test_its_figures_are_shown(self, courses):
        stats = await courses.get_tenant_stats("hallym_univ", "2026-03")
        costs = await courses.get_tenant_costs("hallym_univ", "2026-03")
        usage = (await courses.get_tenant_usage("hallym_univ", "2026-03")).usage.model_dump()

        assert (stats.series[0].api_calls, stats.top_resources[0].name) == (7, "C0")
        assert (costs.total, costs.by_model[1].cost) == (Decimal("0.30"), Decimal("0.20"))
        assert usage["resources"] == 7

    async def test_the_most_active_come_first_and_no_more_than_were_asked_for(self, courses):
        top = await courses.get_top_users("hallym_univ", "2026-03", 2)

        assert [user.user_id for user in top.items] == ["u4", "u3"]

    async def test_resources_are_whole(self, courses):
        (first,) = (await courses.list_resources("hallym_univ", ResourceQuery(limit=1))).items

        assert (first.id, first.type, first.name, first.metadata) == ("1", "course", "C0", {"length": 2})
        assert (first.created_at, first.updated_at) == (NOON, NOON + timedelta(hours=1))

    async def test_walking_the_pages_gives_each_once_and_of_the_type_alone(self, courses):
        every = [f"C{number}" for number in range(7)]
        for limit in (1, 2, 3, 500):
            assert await walk(courses, limit) == every
            assert await walk(courses, limit, "course") == every[::2]
        assert await walk(courses, 2, "' OR true --") == []

        cursor = (await courses.list_resources("hallym_univ", ResourceQuery(limit=2))).next_cursor
        with pytest.raises(InvalidQuery):
            await courses.list_resources("hallym_univ", ResourceQuery(cursor=cursor, type="course"))

    async def test_what_may_be_left_out_may_be(self, new_handler, tenant_id, tenants, notes_table):
        class Notes(ManagedTenantHandler):
            def select_resources(self):
                created = literal(NOON, DateTime(timezone=True)).label("created_at")
                return select(notes_table, literal("note").label("type"), notes_table.c.text.label("name"), created)

        await tenants.write(tenant_id, "a note")

        (note,) = (await new_handler(Notes).list_resources(tenant_id, ResourceQuery())).items

        assert (note.id, note.type, note.name, note.updated_at, note.metadata) == ("1", "note", "a note", NOON, {})


class TestLargeResources:
    @pytest.fixture
    async def write(self, courses):
        """Write courses with titles of these lengths. Their metadata are as long."""

        async def write(*lengths: int) -> None:
            async with courses.manager.get_tenant_session("hallym_univ") as session:
                await session.execute(delete(COURSES))
                for number, length in enumerate(lengths):
                    since = NOON + timedelta(minutes=number)
                    title = func.rpad(f"{number} ", length, "x")
                    await session.execute(insert(COURSES).values(kind="course", title=title, since=since))

        return write

    @pytest.fixture
    def described(self, courses, new_handler):
        class Described(Courses):
            def select_resources(self):
                *others, _ = super().select_resources().selected_columns
                return select(*others, func.json_build_object("title", COURSES.c.title).label("metadata"))

        return new_handler(Described, manager=courses.manager)

    async def test_make_a_shorter_page_that_a_caller_can_read(self, described, write):
        await write(*[300_000] * 8)
        sizes, shown, cursor = [], [], None
        while not sizes or cursor is not None:
            page = await described.list_resources("hallym_univ", ResourceQuery(cursor=cursor, limit=500))
            assert len(page.model_dump_json().encode()) <= MAX_ANSWER_BYTES
            shown += page.items
            cursor = page.next_cursor
            sizes.append(len(page.items))

        assert sizes == [3, 3, 2]
        assert [found.metadata["title"].partition(" ")[0] for found in shown] == [str(number) for number in range(8)]
        assert {len(found.metadata["title"]) for found in shown} == {300_000}
        assert {len(found.name) for found in shown} == {1000}

    async def test_that_no_answer_can_hold_are_shown_without_what_is_too_much(self, described, write):
        await write(10, 2**21, 10)

        page = await described.list_resources("hallym_univ", ResourceQuery())

        assert [found.name[:2] for found in page.items] == ["0 ", "1 ", "2 "]
        assert page.items[1].metadata["left_out_bytes"] > 2**21
        assert page.items[2].metadata == {"title": "2 xxxxxxxx"}

    async def test_are_not_fetched_all_for_a_page_of_a_few(self, described, write):
        await write(*[300_000] * 100)

        tracemalloc.start()
        try:
            await described.list_resources("hallym_univ", ResourceQuery(limit=500))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert most < 30 * 2**20, f"{most} bytes were held at once for an answer of 1 MiB"
