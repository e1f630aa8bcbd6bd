"""Faults in what a period means: ends of years, days that only some years have, months that are not this one."""

from __future__ import annotations

import re

from mt_paas.conformance import SHOULD
from mt_paas.testing.doubles import FakeService

from mutants.planting import asking, instead, mutant, plant

PERIOD = "`period` means the same everywhere"
INVALID = "anything else is 422 `invalid_period`"
#: Operations of the fake service, and areas of checks, that a period is asked of.
ASKED = ("usage", "stats", "costs", "top_users")
BROKEN, REFUSED = (500, "internal_error"), (422, "invalid_period")


def where(service, on, pattern, behave):
    """Have calls of ``on`` be answered by ``behave`` whose query has ``pattern``."""

    async def answer(call):
        found = re.search(pattern, call.scope["query_string"].decode())
        await (behave(call) if found else call.proceed())

    plant(service, answer, on)


def _planted(name, breaks, pattern, said, operations=ASKED):
    """Plant a mutant for each operation, which answers such periods with an error."""
    for operation in operations:

        def spoil(service, operation=operation):
            where(service, operation, pattern, instead(*said))

        spoil.__name__ = f"{name}_{operation}"
        mutant(f"{operation}.periods", breaks)(spoil)


_planted("december_breaks", PERIOD, r"period=\d{4}-12$|period=\d{4}-12&", BROKEN)
_planted("the_last_day_of_a_year_is_no_day_of", PERIOD, r"period=\d{4}-12-31", REFUSED)
_planted("the_leap_day_is_no_day_of", PERIOD, r"period=\d{4}-02-29", REFUSED, ("stats", "costs"))
_planted("months_ahead_break", PERIOD, r"period=2[1-9]\d\d", BROKEN, ("stats", "costs"))
_planted("no_period_breaks", PERIOD, r"^$", BROKEN, ("stats", "costs", "top_users"))
_planted("days_are_unknown_to", PERIOD, r"period=(\d{4}-\d\d-\d\d|daily)", REFUSED, ("top_users",))


@mutant("usage.other_periods", PERIOD)
def months_ahead_break_usage(service):
    where(service, "usage", r"period=2[1-9]\d\d", instead(500, "internal_error"))


def _taken(name, pattern, as_period):
    """Plant a mutant that takes a day that there never was for another one."""
    for operation in ASKED:

        def spoil(service, operation=operation):
            async def take(call):
                other = asking(call)
                other.scope["query_string"] = f"period={as_period}".encode()
                await other.proceed()

            where(service, operation, pattern, take)

        spoil.__name__ = f"{name}_{operation}"
        mutant(f"{operation}.invalid_period", INVALID)(spoil)


_taken("every_year_is_a_leap_year_of", r"period=2025-02-29", "2025-02-28")
_taken("centuries_are_leap_years_of", r"period=1900-02-29", "1900-02-28")
_taken("every_month_has_31_days_of", r"period=2026-04-31", "2026-04-30")
_taken("there_is_a_year_0_of", r"period=0000-01", "2026-01")


@mutant("costs.past", PERIOD, level=SHOULD)
class CostsAreThoseOfThisMonth(FakeService):
    async def get_tenant_costs(self, tenant_id, period):
        costs = await super().get_tenant_costs(tenant_id, self.clock().strftime("%Y-%m"))
        return costs.model_copy(update={"period": period, "by_day": None})


@mutant("usage.past", PERIOD, level=SHOULD)
class UsageIsThatOfThisMonth(FakeService):
    async def get_tenant_usage(self, tenant_id, period):
        usage = await super().get_tenant_usage(tenant_id, self.clock().strftime("%Y-%m"))
        return usage.model_copy(update={"period": period})


@mutant("costs.parts", "`by_model[{model, cost}]`")
class AModelIsThereTwice(FakeService):
    async def get_tenant_costs(self, tenant_id, period):
        costs = await super().get_tenant_costs(tenant_id, period)
        halves = [part.model_copy(update={"cost": part.cost / 2}) for part in costs.by_model for _ in range(2)]
        return costs.model_copy(update={"by_model": halves})
