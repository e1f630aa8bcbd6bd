"""Health: the one call without a key."""

from __future__ import annotations

from datetime import timedelta

from mt_paas.conformance.expect import Answer, time_of
from mt_paas.conformance.registry import SHOULD, Profile, check
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import Health

__all__: list[str] = []

_SHAPE = "`GET /mt/health`: 200 `{status: healthy|degraded|unhealthy, version, timestamp}`"
_NO_KEY = "Every call but health carries the market's key"
_ANOTHER_ZONE = timedelta(minutes=20)
_CLOSE = timedelta(minutes=5)


async def _health(t: Trial, key: str | None = None) -> Answer:
    return (await t.call("GET", "health", key=key)).expect(200)


@check("health.answers", name="Health Check", rule=_SHAPE, profile=Profile.CORE)
async def answers(t: Trial) -> None:
    """Health answers 200 with its status, version and time."""
    answer = await _health(t)
    health = answer.model(Health)
    answer.require(health.version.strip(), "`version` is empty")


@check("health.no_key", rule=_NO_KEY)
async def needs_no_key(t: Trial) -> None:
    """Health is answered without a key, and with a wrong one."""
    for key in (None, "not-the-key-of-any-market"):
        (await _health(t, key)).model(Health)


@check("health.now", rule=_SHAPE)
async def tells_its_own_time(t: Trial) -> None:
    """The time that health tells is not that of another hour: neither when it began, nor that of another zone."""
    answer = await _health(t)
    away = abs(time_of(answer.object().get("timestamp")) - t.now() + t.run.skew)
    answer.require(away < _ANOTHER_ZONE, f"`timestamp` is {away} away from now")


@check("health.parts", rule=_SHAPE, level=SHOULD)
async def does_not_hide_a_broken_part(t: Trial) -> None:
    """A service does not feel healthy while something that it needs is unhealthy."""
    answer = await _health(t)
    health = answer.model(Health)
    broken = [name for name, part in health.checks.items() if part.status == "unhealthy"]
    answer.require(health.status != "healthy" or not broken, f"it is healthy, and {', '.join(broken)} is unhealthy")


@check("health.time", rule="times are RFC 3339 in UTC", level=SHOULD)
async def tells_the_time(t: Trial) -> None:
    """The time that health tells is the time that it is."""
    answer = await _health(t)
    told = time_of(answer.object().get("timestamp"))
    ahead = told - t.now() + t.run.skew
    answer.require(abs(ahead) < _CLOSE, f"`timestamp` is {abs(ahead)} {'ahead' if ahead > timedelta() else 'behind'}")
