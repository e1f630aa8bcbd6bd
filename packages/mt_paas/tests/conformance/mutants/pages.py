"""Faults in pages: their limits, their cursors, and walking them."""

from __future__ import annotations

from dataclasses import replace

from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import mutant, plant, refusing, succeeding
from mutants.status import asked

LIST = "`GET …/users?cursor=&limit=&q=&role=&status=`: a page: `{items[], next_cursor, total}`"
PAGES = "a page's cursor is opaque; walking the pages gives every item once"
BOUNDS = "`limit` is 1 to 500"


@mutant("pagination", PAGES)
class ThePagesOverlap(FakeService):
    async def list_users(self, tenant_id, query):
        page = await super().list_users(tenant_id, query)
        if page.next_cursor and len(page.items) > 1:
            shorter = replace(query, limit=query.limit - 1)
            return page.model_copy(update={"next_cursor": (await super().list_users(tenant_id, shorter)).next_cursor})
        return page


@mutant("pagination", PAGES)
class ThePagesLeaveOneOut(FakeService):
    async def list_users(self, tenant_id, query):
        page = await super().list_users(tenant_id, query)
        return page.model_copy(update={"items": page.items[:-1]}) if page.next_cursor and query.limit > 1 else page


@mutant("pagination", PAGES)
class TheFirstPageIsAllThereIs(FakeService):
    async def list_users(self, tenant_id, query):
        return (await super().list_users(tenant_id, query)).model_copy(update={"next_cursor": None})


@mutant("pagination", PAGES)
class TheCursorIsIgnored(FakeService):
    async def list_users(self, tenant_id, query):
        return await super().list_users(tenant_id, replace(query, cursor=None))


@mutant("pagination", PAGES)
class TheLastPageOfResourcesIsLost(FakeService):
    async def list_resources(self, tenant_id, query):
        page = await super().list_resources(tenant_id, query)
        return page.model_copy(update={"next_cursor": None}) if query.cursor is None else page


@mutant("pagination", PAGES)
class ResourcesComeAgainAndAgain(FakeService):
    async def list_resources(self, tenant_id, query):
        return await super().list_resources(tenant_id, replace(query, cursor=None))


def _listed(name, area, operation, change, rule=BOUNDS):
    """Plant a mutant that takes a limit for another."""

    def spoil(service: FakeService) -> None:
        async def behave(call: Call) -> None:
            await asked(call, change(call.scope["query_string"])).proceed()

        plant(service, behave, operation, "GET")

    spoil.__name__ = name
    mutant(area, rule)(spoil)


for _operation in ("users", "resources", "inventory"):
    _listed(
        f"a_limit_of_zero_is_one_of_{_operation}", "pagination", _operation, lambda q: q.replace(b"limit=0", b"limit=1")
    )
    _listed(f"{_operation}_come_beyond_500", "pagination", _operation, lambda q: q.replace(b"limit=501", b"limit=500"))
    _listed(
        f"a_negative_limit_of_{_operation}_is_taken",
        "pagination",
        _operation,
        lambda q: q.replace(b"limit=-1", b"limit=1"),
    )
    _listed(
        f"a_limit_of_{_operation}_may_be_a_word",
        "pagination",
        _operation,
        lambda q: q.replace(b"limit=abc", b"limit=10"),
    )


_listed("five_hundred_are_too_many", "pagination", "users", lambda q: q.replace(b"limit=500", b"limit=501"))


@mutant("pagination", BOUNDS)
def the_limit_is_ignored(service):
    async def behave(call: Call) -> None:
        query = call.scope["query_string"]
        is_small = any(part in query.split(b"&") for part in (b"limit=1", b"limit=2", b"limit=3"))
        await (asked(call, b"limit=500") if is_small else call).proceed()

    plant(service, behave, "users", "GET")


@mutant("pagination", "a page's cursor is opaque")
def a_made_up_cursor_breaks_the_service(service):
    refusing(service, lambda said: setattr(said, "status", 500), "invalid_query", "users")


@mutant("pagination users", LIST)
def the_total_is_on_the_first_page_alone(service):
    def change(said, call):
        document = said.document
        if len(document["items"]) < document["total"] and document.get("next_cursor") is None:
            document["total"] = len(document["items"])
        said.document = document

    succeeding(service, "users", change, "GET")
