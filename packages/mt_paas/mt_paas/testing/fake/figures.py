"""The figures of a tenant in a fake service, all of them computed from what its users did and from the calls for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import TypeVar

from mt_paas.standard_api.handler import ResourceQuery
from mt_paas.standard_api.models import (
    Costs,
    DayCost,
    FeatureCost,
    ModelCost,
    ResourcePage,
    Stats,
    StatsPoint,
    TopResource,
    TopUser,
    TopUsers,
    Usage,
    UsageResponse,
    UserFigures,
)
from mt_paas.testing.fake.pages import page_of
from mt_paas.testing.fake.state import FakeState, FakeTenant, Use

__all__ = ["Figures"]

_TOP_RESOURCES = 5

Group = TypeVar("Group", bound=Hashable)


class Figures(FakeState):
    """The calls that only look: usage, statistics, costs, the most active users, resources."""

    async def get_tenant_usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Report what was called for a tenant, and who worked in it."""
        tenant = self.existing(tenant_id)
        usage = Usage(
            api_calls=sum(number for day, number in tenant.calls.items() if _within(day, period)),
            storage_gb=0.0,
            active_users=len({use.user_id for use in _uses(tenant, period)} - {None}),
        )
        return UsageResponse(tenant_id=tenant_id, period=period, usage=usage)

    async def get_tenant_stats(self, tenant_id: str, period: str) -> Stats:
        """Report users, a point for each day of the period that has begun, and the newest resources."""
        tenant = self.existing(tenant_id)
        workers: dict[date, set[str]] = defaultdict(set)
        for use in _uses(tenant, period):
            if use.user_id is not None:
                workers[_day(use)].add(use.user_id)
        newest = sorted(tenant.resources.values(), key=lambda resource: resource.updated_at, reverse=True)
        return Stats(
            tenant_id=tenant_id,
            period=period,
            users=UserFigures(total=len(tenant.users), active_today=self.active_today(tenant)),
            series=[
                StatsPoint(date=day, active_users=len(workers[day]), api_calls=tenant.calls[day])
                for day in _days(period, self.clock().astimezone(UTC).date())
            ],
            top_resources=[TopResource(id=it.id, type=it.type, name=it.name) for it in newest[:_TOP_RESOURCES]],
        )

    async def get_tenant_costs(self, tenant_id: str, period: str) -> Costs:
        """Report what the uses of the period cost. Each breakdown has every use in it, so that it sums to the total."""
        tenant = self.existing(tenant_id)
        uses = _uses(tenant, period)
        return Costs(
            tenant_id=tenant_id,
            period=period,
            currency="KRW",
            total=sum((use.cost for use in uses), Decimal(0)),
            by_model=[ModelCost(model=model, cost=cost) for model, cost in _costs(uses, lambda use: use.model)],
            by_feature=[FeatureCost(feature=name, cost=cost) for name, cost in _costs(uses, lambda use: use.feature)],
            by_day=[DayCost(date=day, cost=cost) for day, cost in _costs(uses, _day)],
        )

    async def get_top_users(self, tenant_id: str, period: str, limit: int) -> TopUsers:
        """Report who did most in the period; of those who did as much as each other, the older user first."""
        tenant = self.existing(tenant_id)
        by_user: dict[str, list[Use]] = defaultdict(list)
        for use in _uses(tenant, period):
            if use.user_id is not None:
                by_user[use.user_id].append(use)
        ranked = sorted(by_user.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        return TopUsers(
            items=[
                TopUser(
                    user_id=user_id,
                    name=tenant.users[user_id].name,
                    activity=len(uses),
                    cost=sum((use.cost for use in uses), Decimal(0)),
                )
                for user_id, uses in ranked[:limit]
            ]
        )

    async def list_resources(self, tenant_id: str, query: ResourceQuery) -> ResourcePage:
        """Return a page of resources, oldest first."""
        tenant = self.existing(tenant_id)
        matching = [it for it in tenant.resources.values() if query.type in {None, it.type}]
        items, next_cursor = page_of(matching, query, of=f"resources of {tenant_id}", key=lambda it: it.id)
        return ResourcePage(items=list(items), next_cursor=next_cursor, total=len(matching))


def _uses(tenant: FakeTenant, period: str) -> list[Use]:
    return [use for use in tenant.uses if _within(_day(use), period)]


def _costs(uses: list[Use], group_of: Callable[[Use], Group]) -> list[tuple[Group, Decimal]]:
    groups: dict[Group, Decimal] = defaultdict(Decimal)
    for use in uses:
        groups[group_of(use)] += use.cost
    return list(groups.items())


def _day(use: Use) -> date:
    return use.at.astimezone(UTC).date()


def _within(day: date, period: str) -> bool:
    """Return whether a day is in a resolved period: a month ``2026-01``, or a day ``2026-01-03``."""
    return day.isoformat().startswith(period)


def _days(period: str, today: date) -> list[date]:
    """Return the days of a period that have begun."""
    first = date.fromisoformat(period if len(period) > 7 else f"{period}-01")
    days = [first + timedelta(days=number) for number in range(31) if first <= date.max - timedelta(days=number)]
    return [day for day in days if _within(day, period) and day <= today]
