"""The calls of version 2: what a dashboard shows of a tenant, its users, its resources and its settings."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from mt_paas.errors import (
    InvalidPeriod,
    InvalidQuery,
    NotImplementedByService,
    PreconditionRequired,
    UserAlreadyExists,
    UserLimitReached,
    UserNotFound,
    VersionConflict,
)
from mt_paas.standard_api.describe.call import Answer, CallDescription, Link
from mt_paas.standard_api.describe.lifecycle import NOON
from mt_paas.standard_api.describe.parts import (
    CURSOR,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    PERIOD,
    TENANT_ERRORS,
    TENANT_ID,
    USER_ID,
    WITH_BODY,
    Errors,
    filter_parameter,
    limit_parameter,
)
from mt_paas.standard_api.models import (
    Costs,
    DayCost,
    FeatureCost,
    ModelCost,
    Resource,
    ResourcePage,
    SettingsResponse,
    SettingsUpdate,
    Stats,
    StatsPoint,
    TopResource,
    TopUser,
    TopUsers,
    User,
    UserCreate,
    UserFigures,
    UserPage,
    UserStatus,
    UserUpdate,
)

__all__ = ["DASHBOARD", "PAGE_LIMIT", "TOP_LIMIT", "next_page"]

PAGE_LIMIT = 100
TOP_LIMIT = 10

_ERRORS: Errors = (*TENANT_ERRORS, NotImplementedByService)
_TENANT = {"tenant_id": "$request.path.tenant_id"}
_USER = User(
    id="u_1001",
    email="kim@hallym.ac.kr",
    name="김하나",
    role="teacher",
    status=UserStatus.ACTIVE,
    created_at=NOON,
    last_active_at=NOON,
)
_SETTINGS = Answer(
    200,
    "The settings, with their version as `ETag`.",
    SettingsResponse(settings={"language": "ko"}, limits={"max_users": 500}, version="7"),
    headers=("ETag",),
    links=(
        Link("get_settings", _TENANT),
        Link("update_settings", _TENANT | {"header.If-Match": "$response.header.ETag"}),
    ),
)


def next_page(call: str, parameters: dict[str, str]) -> Link:
    """Return the link from one page of a list to the next."""
    return Link(call, parameters | {"cursor": "$response.body#/next_cursor"})


def _to_the_user(user_id: str) -> tuple[Link, ...]:
    parameters = _TENANT | {"user_id": user_id}
    return (Link("update_user", parameters), Link("delete_user", parameters), Link("list_users", _TENANT))


DASHBOARD = (
    CallDescription(
        call="get_tenant_stats",
        method="GET",
        path="/tenant/{tenant_id}/stats",
        tag="Figures",
        summary="The figures of a dashboard",
        text="Users, a series with a point for each day, and the resources that were used most.",
        answers=(
            Answer(
                200,
                "The figures of the period.",
                Stats(
                    tenant_id="hallym_univ",
                    period="2026-01",
                    users=UserFigures(total=120, active_today=37),
                    series=[StatsPoint(date=dt.date(2026, 1, 3), active_users=37, api_calls=910)],
                    top_resources=[TopResource(id="c_7", type="course", name="선형대수학")],
                ),
            ),
        ),
        errors=(*_ERRORS, InvalidPeriod, InvalidQuery),
        parameters=(TENANT_ID, PERIOD),
        endpoint="stats",
        since="2",
    ),
    CallDescription(
        call="get_tenant_costs",
        method="GET",
        path="/tenant/{tenant_id}/stats/costs",
        tag="Figures",
        summary="What the tenant cost",
        text="Amounts are decimal strings. Each breakdown that is given sums to `total`.",
        answers=(
            Answer(
                200,
                "The costs of the period.",
                Costs(
                    tenant_id="hallym_univ",
                    period="2026-01",
                    currency="KRW",
                    total=Decimal("12500.50"),
                    by_model=[
                        ModelCost(model="gpt-4o", cost=Decimal(9000)),
                        ModelCost(model="embedding-3", cost=Decimal("3500.50")),
                    ],
                    by_feature=[FeatureCost(feature="ai_chat", cost=Decimal("12500.50"))],
                    by_day=[DayCost(date=dt.date(2026, 1, 3), cost=Decimal("12500.50"))],
                ),
            ),
        ),
        errors=(*_ERRORS, InvalidPeriod, InvalidQuery),
        parameters=(TENANT_ID, PERIOD),
        endpoint="stats_costs",
        since="2",
    ),
    CallDescription(
        call="get_top_users",
        method="GET",
        path="/tenant/{tenant_id}/stats/top-users",
        tag="Figures",
        summary="The most active users",
        text="Most active first. `activity` is a number that the service compares users by.",
        answers=(
            Answer(
                200,
                "The users, most active first.",
                TopUsers(items=[TopUser(user_id="u_1001", name="김하나", activity=412.0, cost=Decimal(1800))]),
            ),
        ),
        errors=(*_ERRORS, InvalidPeriod, InvalidQuery),
        parameters=(TENANT_ID, PERIOD, limit_parameter(TOP_LIMIT)),
        endpoint="stats_top_users",
        since="2",
    ),
    CallDescription(
        call="list_users",
        method="GET",
        path="/tenant/{tenant_id}/users",
        tag="Users",
        summary="A page of the tenant's users",
        text="`total` counts all that match. Walking the pages gives every user once.",
        answers=(
            Answer(
                200,
                "A page of users.",
                UserPage(items=[_USER], next_cursor="eyJpIjoidV8xMDAxIn0", total=120),
                links=(next_page("list_users", _TENANT), *_to_the_user("$response.body#/items/0/id")[:2]),
            ),
        ),
        errors=(*_ERRORS, InvalidQuery),
        parameters=(
            TENANT_ID,
            CURSOR,
            limit_parameter(PAGE_LIMIT),
            filter_parameter("q", "A part of a name or of an address, in any case.", "kim"),
            filter_parameter("role", "The role, whole.", "teacher"),
            filter_parameter("status", "The status.", "active"),
        ),
        endpoint="users",
        since="2",
    ),
    CallDescription(
        call="create_user",
        method="POST",
        path="/tenant/{tenant_id}/users",
        tag="Users",
        summary="Add a user",
        text="A tenant has one user of an address, and no more users than `config.max_users`.",
        answers=(
            Answer(
                201,
                "The user was added.",
                _USER,
                headers=("Location",),
                links=_to_the_user("$response.body#/id"),
            ),
        ),
        errors=(*_ERRORS, *WITH_BODY, UserAlreadyExists, UserLimitReached),
        body=UserCreate,
        parameters=(TENANT_ID, IDEMPOTENCY_KEY),
        endpoint="users",
        since="2",
    ),
    CallDescription(
        call="update_user",
        method="PUT",
        path="/tenant/{tenant_id}/users/{user_id}",
        tag="Users",
        summary="Change a user's name, role or status",
        text="What is left out stays as it is.",
        answers=(Answer(200, "The user, as it is now.", _USER, links=_to_the_user("$request.path.user_id")),),
        errors=(*_ERRORS, *WITH_BODY, UserNotFound),
        body=UserUpdate,
        parameters=(TENANT_ID, USER_ID, IDEMPOTENCY_KEY),
        endpoint="user",
        since="2",
    ),
    CallDescription(
        call="delete_user",
        method="DELETE",
        path="/tenant/{tenant_id}/users/{user_id}",
        tag="Users",
        summary="Remove a user",
        text="The user's place is free for another one.",
        answers=(Answer(204, "The user is gone.", links=(Link("list_users", _TENANT),)),),
        errors=(*_ERRORS, UserNotFound),
        parameters=(TENANT_ID, USER_ID, IDEMPOTENCY_KEY),
        endpoint="user",
        since="2",
    ),
    CallDescription(
        call="list_resources",
        method="GET",
        path="/tenant/{tenant_id}/resources",
        tag="Resources",
        summary="A page of what the tenant's users made or work with",
        text="Courses, discussions, whatever the service has; `type` narrows the list to one kind.",
        answers=(
            Answer(
                200,
                "A page of resources.",
                ResourcePage(
                    items=[
                        Resource(
                            id="c_7",
                            type="course",
                            name="선형대수학",
                            created_at=NOON,
                            updated_at=NOON,
                            metadata={"credits": 3},
                        )
                    ],
                    next_cursor="eyJpIjoiY183In0",
                ),
                links=(next_page("list_resources", _TENANT),),
            ),
        ),
        errors=(*_ERRORS, InvalidQuery),
        parameters=(
            TENANT_ID,
            filter_parameter("type", "The type of the resources.", "course"),
            CURSOR,
            limit_parameter(PAGE_LIMIT),
        ),
        endpoint="resources",
        since="2",
    ),
    CallDescription(
        call="get_settings",
        method="GET",
        path="/tenant/{tenant_id}/settings",
        tag="Settings",
        summary="The tenant's settings and limits",
        text="`settings` can be written, `limits` come from the plan.",
        answers=(_SETTINGS,),
        errors=_ERRORS,
        parameters=(TENANT_ID,),
        endpoint="settings",
        since="2",
    ),
    CallDescription(
        call="update_settings",
        method="PUT",
        path="/tenant/{tenant_id}/settings",
        tag="Settings",
        summary="Replace the tenant's settings",
        text=(
            "`If-Match` carries the `ETag` of the settings that were read: of two writers with the same one the second "
            "is refused, and reads again."
        ),
        answers=(_SETTINGS,),
        errors=(*_ERRORS, *WITH_BODY, PreconditionRequired, VersionConflict),
        body=SettingsUpdate,
        parameters=(TENANT_ID, IF_MATCH, IDEMPOTENCY_KEY),
        endpoint="settings",
        since="2",
    ),
)
