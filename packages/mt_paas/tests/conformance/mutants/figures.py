"""Faults in statistics, costs, the most active users and resources."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from mt_paas.testing.doubles import Call, FakeService, altering

from mutants.planting import GONE, members, mutant, plant, refusing, succeeding
from mutants.status import asked, period_of

PERIOD = "`period` is echoed in its resolved form; anything else is 422 `invalid_period`"
STATS = "`{tenant_id, period, users{…}, series[{date, active_users, …}], top_resources[{id, type, name}]}`"
COSTS = "`{tenant_id, period, currency, total, by_model[…], by_feature[…], by_day[…]}`"
SUMS = "each breakdown that is given sums to `total`"
MONEY = "Amounts of money are decimal strings"
TOP = "`{items[{user_id, name, activity, cost}]}`, most active first"
RESOURCES = "a page of `{id, type, name, created_at, updated_at, metadata}`"


def _unresolved(operation, area):
    """Plant a mutant that echoes the period as it was asked for."""

    def spoil(service: FakeService) -> None:
        async def behave(call: Call) -> None:
            def change(said, recorded):
                if said.status == 200:
                    said.document = said.document | {"period": period_of(call)}

            await altering(change)(call)

        plant(service, behave, operation)

    spoil.__name__ = f"{operation}_echoes_the_period_as_it_was_asked"
    mutant(area, PERIOD)(spoil)


_unresolved("stats", "stats")
_unresolved("costs", "costs")


@mutant("stats", PERIOD)
def stats_are_always_of_this_month(service):
    async def behave(call: Call) -> None:
        await (asked(call, b"period=monthly") if len(period_of(call)) == 10 else call).proceed()

    plant(service, behave, "stats")


@mutant("stats", STATS)
def stats_have_no_users(service):
    members(service, "stats", users=GONE)


@mutant("stats", STATS)
def stats_name_another_tenant(service):
    members(service, "stats", tenant_id="hallym_univ")


@mutant("stats", STATS)
def stats_have_more_active_users_than_users(service):
    members(service, "stats", users__active_today=lambda _: 99)


@mutant("stats", STATS)
def a_day_of_stats_has_a_negative_count(service):
    members(service, "stats", series__api_calls=-3)


@mutant("stats", STATS)
def a_day_of_stats_has_a_text_for_a_count(service):
    members(service, "stats", series__active_users="3")


@mutant("stats", STATS)
def days_of_stats_are_times(service):
    members(service, "stats", series__date=lambda day: f"{day}T00:00:00Z")


@mutant("stats", STATS)
def the_newest_day_of_stats_is_first(service):
    members(service, "stats", series=lambda series: series[::-1])


@mutant("stats", STATS)
def a_day_of_stats_is_there_twice(service):
    members(service, "stats", series=lambda series: [*series, series[-1]] if series else series)


@mutant("stats", STATS)
def stats_begin_a_day_too_early(service):
    def earlier(series):
        if not series:
            return series
        day = date.fromisoformat(series[0]["date"]) - timedelta(days=1)
        return [series[0] | {"date": day.isoformat()}, *series]

    members(service, "stats", series=earlier)


@mutant("stats", STATS)
def the_series_is_an_object(service):
    members(service, "stats", series=lambda series: {point["date"]: point for point in series})


@mutant("stats", STATS)
def top_resources_have_no_id(service):
    members(service, "stats", top_resources__id=GONE)


@mutant("costs", SUMS)
def costs_by_model_are_off_by_a_cent(service):
    def off(parts):
        return [parts[0] | {"cost": str(Decimal(parts[0]["cost"]) + Decimal("0.01"))}, *parts[1:]] if parts else parts

    members(service, "costs", by_model=off)


@mutant("costs", SUMS)
def costs_by_feature_leave_one_out(service):
    members(service, "costs", by_feature=lambda parts: parts[:-1])


@mutant("costs", SUMS)
def costs_by_day_are_rounded(service):
    members(service, "costs", by_day__cost=lambda cost: str(round(Decimal(cost))))


@mutant("costs", SUMS)
def the_total_of_costs_is_rounded(service):
    members(service, "costs", total=lambda total: f"{Decimal(total):.1f}"[:-2] + ".00")


@mutant("costs", COSTS)
def the_total_of_costs_is_missing(service):
    members(service, "costs", total=GONE)


@mutant("costs", COSTS)
def costs_have_no_currency(service):
    members(service, "costs", currency=GONE)


@mutant("costs", COSTS)
def the_currency_is_a_sign(service):
    members(service, "costs", currency="₩")


@mutant("costs", COSTS)
def the_currency_is_in_small_letters(service):
    members(service, "costs", currency=str.lower)


@mutant("costs", MONEY)
def amounts_have_commas(service):
    members(service, "costs", total=lambda total: total.replace(".", ","))


@mutant("costs", MONEY)
def amounts_have_their_currency_in_them(service):
    members(service, "costs", by_model__cost=lambda cost: f"{cost} KRW")


@mutant("costs", COSTS)
def costs_have_a_day_twice(service):
    def twice(days):
        return [{"date": days[0]["date"], "cost": "0.00"}, *days] if days else days

    members(service, "costs", by_day=twice)


@mutant("costs", COSTS)
def costs_have_a_day_of_another_month(service):
    members(service, "costs", by_day=lambda days: [{"date": "2001-01-01", "cost": "0"}, *days])


@mutant("costs", COSTS)
def costs_name_another_tenant(service):
    members(service, "costs", tenant_id="hallym_univ")


@mutant("top_users", TOP)
def the_least_active_come_first(service):
    members(service, "top_users", items=lambda items: items[::-1])


@mutant("top_users", TOP)
def users_come_in_the_order_of_their_ids(service):
    members(service, "top_users", items=lambda items: sorted(items, key=lambda item: item["name"]))


@mutant("top_users", "`limit` is 1 to 500")
def every_active_user_comes(service):
    async def behave(call: Call) -> None:
        query = call.scope["query_string"]
        is_valid = b"limit=1" in query or b"limit=2" in query
        await (asked(call, b"limit=500") if is_valid else call).proceed()

    plant(service, behave, "top_users")


@mutant("top_users", "`limit` is 1 to 500")
def a_limit_of_zero_brings_nobody(service):
    def change(said):
        said.status, said.document = 200, {"items": []}

    refusing(service, change, "invalid_query", "top_users")


@mutant("top_users", TOP)
def an_active_user_comes_twice(service):
    members(service, "top_users", items=lambda items: [items[0], *items] if items else items)


@mutant("top_users", TOP)
def activity_is_a_text(service):
    members(service, "top_users", items__activity=str)


@mutant("top_users", TOP)
def activity_is_missing(service):
    members(service, "top_users", items__activity=GONE)


@mutant("top_users", TOP)
def active_users_have_an_id_of_another_name(service):
    def renamed(items):
        return [{"id": item["user_id"], **{k: v for k, v in item.items() if k != "user_id"}} for item in items]

    members(service, "top_users", items=renamed)


@mutant("isolation", "what is one tenant's is no other's")
class TheMostActiveUsersOfAllTenants(FakeService):
    async def get_top_users(self, tenant_id, period, limit):
        ours = await super().get_top_users(tenant_id, period, limit)
        others = [
            await FakeService.get_top_users(self, other, period, limit) for other in self.tenants if other != tenant_id
        ]
        items = [item for each in (ours, *others) for item in each.items]
        ranked = sorted(items, key=lambda item: -item.activity)[:limit]
        return ours.model_copy(update={"items": ranked})


@mutant("resources", "`GET …/resources?type=course|discussion|…`")
class TheTypeIsIgnored(FakeService):
    async def list_resources(self, tenant_id, query):
        return await super().list_resources(tenant_id, replace(query, type=None))


@mutant("resources", "`GET …/resources?type=course|discussion|…`")
class ATypeFindsNothing(FakeService):
    async def list_resources(self, tenant_id, query):
        page = await super().list_resources(tenant_id, query)
        return page.model_copy(update={"items": [], "total": 0, "next_cursor": None}) if query.type else page


@mutant("resources", "`GET …/resources?type=course|discussion|…`")
class ATypeFindsTheFirstAlone(FakeService):
    async def list_resources(self, tenant_id, query):
        page = await super().list_resources(tenant_id, query)
        return page.model_copy(update={"items": page.items[:1], "next_cursor": None}) if query.type else page


@mutant("resources", RESOURCES)
def a_resource_was_changed_before_it_was_made(service):
    members(service, "resources", items__updated_at="2001-01-01T00:00:00Z")


@mutant("resources", "times are RFC 3339 in UTC")
def times_of_resources_have_no_zone(service):
    members(service, "resources", items__created_at=lambda text: text.removesuffix("Z"))


@mutant("resources", RESOURCES)
def metadata_are_a_list(service):
    members(service, "resources", items__metadata=["sample"])


@mutant("resources", RESOURCES)
def resources_have_no_type(service):
    members(service, "resources", items__type=GONE)


@mutant("resources", RESOURCES)
def ids_of_resources_are_numbers(service):
    members(service, "resources", items__id=lambda text: int(text[2:]))


@mutant("resources", RESOURCES)
def resources_are_a_bare_list(service):
    def bare(said, call):
        said.document = said.document["items"]

    succeeding(service, "resources", bare)


@mutant("resources", RESOURCES)
def all_resources_have_one_id(service):
    members(service, "resources", items__id="r_1")


@mutant("costs", SUMS)
def costs_are_floats_that_do_not_sum(service):
    def change(said, call):
        parts = [{"model": "a", "cost": 0.1}, {"model": "b", "cost": 0.2}]
        said.document = said.document | {"total": 0.1 + 0.2, "by_model": parts, "by_feature": None, "by_day": None}

    succeeding(service, "costs", change)


@mutant("costs", MONEY)
def amounts_are_in_scientific_notation(service):
    members(service, "costs", total="5.255E+1")
