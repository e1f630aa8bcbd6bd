"""Clean-up: what the run made is gone when it ends."""

from __future__ import annotations

from mt_paas.conformance.expect import Answer, Violation
from mt_paas.conformance.registry import Phase, Profile, check
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_NOTHING_LEFT = "It never leaves its test tenants behind"


@check("clean_up.nothing_left", rule=_NOTHING_LEFT, phase=Phase.CLEANED, profile=Profile.CORE)
async def nothing_left(t: Trial) -> None:
    """Every tenant that was made is deactivated without its data, and none of them is active."""
    attempts = [each for each in t.run.tenants.attempts.values() if each.was_granted]
    if not attempts:
        t.skip("no tenant was made")
    for attempt in attempts:
        if isinstance(attempt.last, Violation):
            raise Violation(f"{attempt.segment} could not be removed: {attempt.last}", attempt.last.exchange)
        if isinstance(attempt.last, Answer) and attempt.last.status == 200:
            state = attempt.last.object().get("status")
            attempt.last.require(state == "deactivated", f"the tenant is {state!r}, and was deactivated at the end")
        elif attempt.last is not None:
            attempt.last.expect(404, 410)
