"""Faults that show on the second page, with a second filter, or when somebody comes or goes meanwhile."""

from __future__ import annotations

import re
from dataclasses import replace

from mt_paas.conformance import SHOULD
from mt_paas.testing.doubles import FakeService

from mutants.planting import asking, instead, mutant, plant, succeeding

ONCE = "walking the pages gives every item once"
FILTERS = "`GET …/users?cursor=&limit=&q=&role=&status=`"
LIMIT = "`limit` is 1 to 500"


@mutant("pagination.filtered", ONCE)
class FiltersEndWithTheFirstPage(FakeService):
    async def list_users(self, tenant_id, query):
        return await super().list_users(
            tenant_id, replace(query, q=None, role=None, status=None) if query.cursor else query
        )


@mutant("resources.type", ONCE)
class TypesEndWithTheFirstPage(FakeService):
    async def list_resources(self, tenant_id, query):
        return await super().list_resources(tenant_id, replace(query, type=None) if query.cursor else query)


@mutant("users.filters_together", FILTERS)
class WithQNoOtherFilterCounts(FakeService):
    async def list_users(self, tenant_id, query):
        return await super().list_users(tenant_id, replace(query, role=None, status=None) if query.q else query)


class ByOffset(FakeService):
    """A service whose cursors are places in the list."""

    def ordered(self, users):
        return users

    async def list_users(self, tenant_id, query):
        is_place = query.cursor is not None and re.fullmatch("[0-9]{1,5}", query.cursor)
        begin = int(query.cursor) if is_place else 0
        whole = await super().list_users(tenant_id, replace(query, cursor=None, limit=500))
        users, end = self.ordered(whole.items), begin + query.limit
        following = str(end) if end < len(users) else None
        return whole.model_copy(update={"items": users[begin:end], "next_cursor": following})


@mutant("pagination.removed_meanwhile", ONCE, level=SHOULD)
class CursorsArePlaces(ByOffset):
    pass


@mutant("pagination.added_meanwhile", ONCE)
class CursorsArePlacesFromTheNewest(ByOffset):
    def ordered(self, users):
        return users[::-1]


def _total_of_the_page(operation, judge):
    def spoil(service):
        def change(said, call):
            said.document = (document := said.document) | {"total": len(document["items"])}

        succeeding(service, operation, change)

    spoil.__name__ = f"the_total_of_{operation}_is_that_of_the_page"
    mutant(judge, "a page: `{items[], next_cursor, total}`")(spoil)


_total_of_the_page("resources", "pagination.resources")
_total_of_the_page("inventory", "inventory.pages")


@mutant("pagination.limits", LIMIT)
def a_limit_of_thirty_digits_breaks_the_service(service):
    async def behave(call):
        is_long = re.search(r"limit=\d{10}", call.scope["query_string"].decode())
        await (instead(500, "internal_error")(call) if is_long else call.proceed())

    plant(service, behave, "users")


@mutant("top_users.invalid_limit", LIMIT)
def a_limit_of_a_thousand_is_one_of_500(service):
    async def behave(call):
        if b"limit=1000" in call.scope["query_string"]:
            call = asking(call)
            call.scope["query_string"] = b"period=monthly&limit=500"
        await call.proceed()

    plant(service, behave, "top_users")
