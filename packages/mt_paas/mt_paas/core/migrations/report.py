"""What a migration of all tenants has come to: one report, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["FleetReport", "Outcome", "Result"]


class Result(StrEnum):
    """What became of one tenant."""

    MIGRATED = "migrated"
    CURRENT = "current"
    FAILED = "failed"
    HELD = "held"
    QUARANTINED = "quarantined"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one tenant (or of ``None``, the tables that tenants share), from which revision to which.

    ``reason`` is the database's words for a failure; ``is_quarantined`` says that the tenant is closed for its users.
    """

    tenant_id: str | None
    result: Result
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    is_quarantined: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome for JSON."""
        return {
            "tenant_id": self.tenant_id,
            "result": str(self.result),
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "is_quarantined": self.is_quarantined,
        }


@dataclass(frozen=True, slots=True)
class FleetReport:
    """All tenants and ``target``: ``skipped`` were there already and not opened, the others have an outcome.

    ``is_complete`` is false where the run stopped at the failures that it was allowed.
    """

    target: str
    skipped: int
    outcomes: tuple[Outcome, ...]
    seconds: float
    is_dry: bool = False
    is_complete: bool = True

    def of(self, result: Result) -> list[Outcome]:
        """Return the outcomes of this kind."""
        return [outcome for outcome in self.outcomes if outcome.result == result]

    @property
    def is_whole(self) -> bool:
        """Whether every tenant is where it should be, or would be."""
        well = {Result.MIGRATED, Result.CURRENT, *({Result.BEHIND} if self.is_dry else ())}
        return self.is_complete and all(outcome.result in well for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "target": self.target,
            "is_whole": self.is_whole,
            "is_complete": self.is_complete,
            "is_dry_run": self.is_dry,
            "seconds": round(self.seconds, 3),
            "already_there": self.skipped + len(self.of(Result.CURRENT)),
            **{str(result): len(self.of(result)) for result in Result if result is not Result.CURRENT},
            "tenants": [outcome.as_dict() for outcome in self.outcomes],
        }
