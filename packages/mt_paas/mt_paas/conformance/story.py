"""A row of calls on one tenant, made once and judged by many checks, each its own part.

A tenant is costly to make, and much of the contract is about what comes after what. A story makes the calls and judges
nothing; where one of them breaks, only the checks that are about it fail, and those about later ones are skipped.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field

from mt_paas.conformance.expect import Answer, Blocked, Violation

__all__ = ["Story"]


@dataclass(slots=True)
class Story:
    """What was answered to each step."""

    steps: dict[str, Answer | Violation] = field(default_factory=dict)

    async def step(self, name: str, call: Awaitable[Answer]) -> Answer | None:
        """Make a call and remember its answer as ``name``; return it, or None if there was no right one to judge."""
        try:
            answer = await call
        except Violation as violation:
            self.steps[name] = violation
            return None
        self.steps[name] = answer
        return answer

    def __getitem__(self, name: str) -> Answer:
        """Return the answer to a step; raise the ``Violation`` that came instead of one."""
        answer = self.steps[name]
        if isinstance(answer, Violation):
            raise answer
        return answer

    def after(self, name: str, judge: str) -> Answer:
        """Return the answer to a step that must have worked; raise ``Blocked`` by the check ``judge`` otherwise."""
        try:
            return self[name].expect(200, 201, 202, 204)
        except Violation as violation:
            raise Blocked(judge, violation) from None
