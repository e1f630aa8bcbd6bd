"""Faults in the status of a tenant and in its usage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from mt_paas.errors import InvalidPeriod
from mt_paas.standard_api.periods import resolve_period
from mt_paas.testing.doubles import Call, altering

from mutants.planting import GONE, members, mutant, plant, refusing

STATUS = (
    "200 `{tenant_id, status: active|suspended|deactivated, plan, created_at, users{total, active_today}, "
    "storage{used_gb, limit_gb}}`"
)
UTC_RULE = "times are RFC 3339 in UTC"
USAGE = "200 `{tenant_id, period, usage{api_calls, ai_tokens, storage_gb, active_users, …}}`"
PERIOD = "`period` is echoed in its resolved form, `2026-01` or `2026-01-03`; anything else is 422 `invalid_period`"


@mutant("status", UTC_RULE)
def created_at_has_no_zone(service):
    members(service, "status", created_at=lambda text: text.removesuffix("Z"))


@mutant("status", UTC_RULE)
def created_at_is_in_the_zone_of_seoul(service):
    def in_seoul(text):
        return (datetime.fromisoformat(text) + timedelta(hours=9)).isoformat().replace("+00:00", "+09:00")

    members(service, "status", created_at=in_seoul)


@mutant("status", UTC_RULE)
def created_at_is_a_date(service):
    members(service, "status", created_at=lambda text: text[:10])


@mutant("status", UTC_RULE)
def created_at_is_that_of_seoul_and_says_utc(service):
    def in_seoul(text):
        return (datetime.fromisoformat(text) + timedelta(hours=9)).isoformat().replace("+00:00", "Z")

    members(service, "status", created_at=in_seoul)


@mutant("status lifecycle", STATUS)
def created_at_is_now(service):
    members(service, "status", created_at=lambda _: datetime.now(UTC).isoformat())


@mutant("status", STATUS)
def a_state_in_capitals(service):
    members(service, "status", status=str.upper)


@mutant("status", STATUS)
def a_state_that_nobody_knows(service):
    members(service, "status", status="running")


@mutant("status", STATUS)
def the_total_is_a_text(service):
    members(service, "status", users__total=str)


@mutant("status", STATUS)
def the_total_is_true(service):
    members(service, "status", users__total=True)


@mutant("status", STATUS)
def the_total_is_a_fraction(service):
    members(service, "status", users__total=1.5)


@mutant("status", STATUS)
def more_are_active_than_there_are(service):
    members(service, "status", users__active_today=lambda _: 7)


@mutant("status", STATUS)
def users_are_less_than_none(service):
    members(service, "status", users__active_today=-1)


@mutant("status", STATUS)
def users_are_one_number(service):
    members(service, "status", users=3)


@mutant("status", STATUS)
def storage_is_missing(service):
    members(service, "status", storage=GONE)


@mutant("status", STATUS)
def storage_is_a_text(service):
    members(service, "status", storage__used_gb="0.0 GB")


@mutant("status", STATUS)
def storage_is_negative(service):
    members(service, "status", storage__used_gb=-0.5)


@mutant("status", STATUS)
def the_plan_is_missing(service):
    members(service, "status", plan=GONE)


@mutant("status", STATUS)
def status_names_another_tenant(service):
    members(service, "status", tenant_id="hallym_univ")


@mutant("usage", PERIOD)
def the_period_of_usage_is_as_it_wasasked(service):
    async def behave(call: Call) -> None:
        def change(said, recorded):
            if said.status == 200:
                said.document = said.document | {"period": period_of(call)}

        await altering(change)(call)

    plant(service, behave, "usage")


@mutant("usage", PERIOD)
def usage_is_always_of_the_month(service):
    members(service, "usage", period=lambda period: period[:7])


def period_of(call: Call) -> str:
    """Return the period that is asked for, as it came."""
    query = parse_qs(call.scope["query_string"].decode(), keep_blank_values=True)
    return query.get("period", ["monthly"])[0]


def asked(call: Call, query: bytes) -> Call:
    """Return the call with another query."""
    return replace(call, scope=dict(call.scope) | {"query_string": query})


def _any_period(operation, area):
    """Plant a mutant that takes any period, as this month."""

    def spoil(service):
        async def behave(call: Call) -> None:
            try:
                resolve_period(period_of(call), datetime.now(UTC))
            except InvalidPeriod:
                call = asked(call, b"period=monthly")
            await call.proceed()

        plant(service, behave, operation)

    spoil.__name__ = f"{operation}_takes_any_period"
    mutant(area, PERIOD)(spoil)


for _name, _area in (("usage", "usage"), ("stats", "stats"), ("costs", "costs"), ("top_users", "top_users")):
    _any_period(_name, _area)


@mutant("usage", PERIOD)
def a_newline_behind_a_period_is_not_seen(service):
    async def behave(call: Call) -> None:
        await asked(call, call.scope["query_string"].replace(b"%0A", b"").replace(b"%0a", b"")).proceed()

    plant(service, behave, "usage")


@mutant("usage", PERIOD)
def a_day_that_no_calendar_has_is_taken(service):
    async def behave(call: Call) -> None:
        await asked(call, call.scope["query_string"].replace(b"02-30", b"02-28")).proceed()

    plant(service, behave, "usage")


@mutant("usage", PERIOD)
def an_invalid_period_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "invalid_period")


@mutant("usage", PERIOD)
def an_invalid_period_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "invalid_query"}

    refusing(service, change, "invalid_period")


@mutant("usage", USAGE)
def usage_is_missing(service):
    members(service, "usage", usage=GONE)


@mutant("usage", USAGE)
def usage_has_texts(service):
    members(service, "usage", usage__api_calls=str)


@mutant("usage", USAGE)
def usage_is_negative(service):
    members(service, "usage", usage__ai_tokens=-1)


@mutant("usage", USAGE)
def usage_counts_halves(service):
    members(service, "usage", usage__api_calls=1.5)


@mutant("usage", USAGE)
def usage_names_another_tenant(service):
    members(service, "usage", tenant_id="hallym_univ")
