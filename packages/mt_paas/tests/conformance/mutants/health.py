"""Faults in `GET /mt/health`."""

from __future__ import annotations

import time
from datetime import datetime

from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import GONE, given_key, instead, members, mutant, plant, succeeding

SHAPE = "200 `{status: healthy|degraded|unhealthy, version, timestamp}`"
NO_KEY = "`GET /mt/health` | yes, no key"
UTC = "times are RFC 3339 in UTC"


@mutant("health", SHAPE)
def health_is_ok(service):
    members(service, "health", status="ok")


@mutant("health", SHAPE)
def health_is_up_in_capitals(service):
    members(service, "health", status="HEALTHY")


@mutant("health", SHAPE)
def health_has_no_version(service):
    members(service, "health", version=GONE)


@mutant("health", SHAPE)
def health_has_an_empty_version(service):
    members(service, "health", version="")


@mutant("health", SHAPE)
def health_version_is_a_number(service):
    members(service, "health", version=1.0)


@mutant("health", SHAPE)
def health_has_no_timestamp(service):
    members(service, "health", timestamp=GONE)


@mutant("health", UTC)
def health_time_has_no_zone(service):
    members(service, "health", timestamp=lambda text: text.removesuffix("Z"))


@mutant("health", UTC)
def health_time_is_that_of_seoul(service):
    members(service, "health", timestamp=lambda text: datetime.fromisoformat(text).isoformat()[:19] + "+09:00")


@mutant("health", UTC)
def health_time_is_unix_time(service):
    members(service, "health", timestamp=lambda _: int(time.time()))


@mutant("health", UTC)
def health_time_has_a_blank(service):
    members(service, "health", timestamp=lambda text: text.replace("T", " "))


@mutant("health", "extension `checks: {name: {status, latency_ms, detail}}`")
def health_checks_are_a_list(service):
    members(service, "health", checks=[{"name": "database", "status": "healthy"}])


@mutant("health", "extension `checks: {name: {status, latency_ms, detail}}`")
def health_checks_are_bare_words(service):
    members(service, "health", checks={"database": "healthy"})


@mutant("health", SHAPE)
def health_is_201(service):
    succeeding(service, "health", lambda said, call: setattr(said, "status", 201))


@mutant("health", "JSON is snake_case, UTF-8")
def health_is_announced_as_text(service):
    succeeding(service, "health", lambda said, call: said.headers.update({"content-type": "text/plain"}))


@mutant("health", NO_KEY)
def health_needs_the_key(service: FakeService):
    async def behave(call: Call) -> None:
        if given_key(call) == service.api_key:
            await call.proceed()
        else:
            await instead(401, "invalid_api_key")(call)

    plant(service, behave, "health")


@mutant("health", NO_KEY)
def health_refuses_a_wrong_key(service: FakeService):
    async def behave(call: Call) -> None:
        await (call.proceed() if given_key(call) in {None, service.api_key} else instead(401, "invalid_api_key")(call))

    plant(service, behave, "health")
