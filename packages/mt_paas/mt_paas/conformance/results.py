"""The verdicts of a run, and what follows from them: score, level, exit code. :meth:`Report.as_dict` is the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_paas.conformance.registry import Level, Profile
from mt_paas.conformance.target import Target

__all__ = ["CheckResult", "Report", "Score", "Status"]


class Status(StrEnum):
    """The verdict on one check. A violated MUST fails; a violated SHOULD or MAY warns."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of one check. ``exchanges`` are there where it did not pass, the last one being where it shows."""

    id: str
    name: str
    level: Level
    status: Status
    duration_ms: float | None
    message: str
    rule: str
    exchanges: tuple[dict[str, Any], ...] = ()

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        told: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "level": self.level.value,
            "status": self.status.value,
            "duration_ms": None if self.duration_ms is None else round(self.duration_ms, 1),
            "message": self.message,
            "rule": self.rule,
        }
        return told | ({"exchanges": list(self.exchanges)} if self.exchanges else {})


@dataclass(frozen=True, slots=True)
class Score:
    """How many checks came out how."""

    passed: int
    failed: int
    warned: int
    skipped: int

    @property
    def judged(self) -> int:
        """How many checks have a verdict."""
        return self.passed + self.failed + self.warned

    @property
    def percent(self) -> int:
        """The passed among the judged, rounded down: 100 means all."""
        return self.passed * 100 // self.judged if self.judged else 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found out about a service.

    ``left_out`` counts the checks of the profile that were not asked for; ``hints`` say what is probably wrong when all
    goes wrong, such as a key that is another service's.
    """

    target: Target
    profile: Profile
    checks: tuple[CheckResult, ...]
    started_at: datetime
    duration_ms: float
    left_out: int = 0
    hints: tuple[str, ...] = ()

    @property
    def score(self) -> Score:
        """How many checks came out how."""
        counts = {status: sum(each.status is status for each in self.checks) for status in Status}
        return Score(counts[Status.PASS], counts[Status.FAIL], counts[Status.WARN], counts[Status.SKIP])

    @property
    def level(self) -> str:
        """The strongest of MUST, SHOULD and MAY up to which nothing failed or warned; ``none`` when a MUST failed."""
        broken = {each.level for each in self.checks if each.status in {Status.FAIL, Status.WARN}}
        if Level.MUST in broken:
            return "none"
        if Level.SHOULD in broken:
            return Level.MUST.value
        return Level.SHOULD.value if Level.MAY in broken else Level.MAY.value

    @property
    def is_whole(self) -> bool:
        """Whether every check of the contract was asked for: only then a service can be said to conform to it."""
        return self.profile is Profile.FULL and not self.left_out

    @property
    def conforms(self) -> bool:
        """Whether no MUST failed, of the checks that ran."""
        return not any(each.status is Status.FAIL for each in self.checks)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions that the service declares."""
        from mt_paas.standard_api.manifest import EXTENSIONS

        return tuple(
            name
            for name, endpoint in EXTENSIONS.items()
            if (self.target.has_capability(name) if endpoint is None else self.target.declares(endpoint))
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        score = self.score
        return {
            "target": self.target.url,
            "profile": self.profile.value,
            "level": self.level,
            "passed": self.conforms,
            "conforms": self.conforms if self.is_whole or not self.conforms else None,
            "score": {
                "passed": score.passed,
                "failed": score.failed,
                "warned": score.warned,
                "skipped": score.skipped,
                "percent": score.percent,
            },
            "contract": "v2" if self.target.is_version_2 else "v1",
            "extensions": list(self.extensions),
            "left_out": self.left_out,
            "hints": list(self.hints),
            "manifest": self.target.document.source if self.target.document else None,
            "tester": _tester(),
            "started_at": self.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration_ms": round(self.duration_ms, 1),
            "checks": [each.as_dict() for each in self.checks],
        }


def _tester() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"mt-paas {version('mt-paas')}"
    except PackageNotFoundError:  # run from its sources
        return "mt-paas"
