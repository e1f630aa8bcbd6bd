"""What the forms of a report share: words for verdicts, exchanges as they went over the wire, text that is harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from mt_paas.conformance.registry import AREAS
from mt_paas.conformance.results import CheckResult, Report, Status

__all__ = [
    "MARKS",
    "TITLE",
    "by_area",
    "exchange_lines",
    "harmless",
    "headline",
    "level_sentence",
    "milliseconds",
    "selection",
    "verdict",
]

TITLE = "Service Market Integration Test Report"
MARKS = {Status.PASS: "✅", Status.FAIL: "❌", Status.WARN: "⚠️", Status.SKIP: "⏭️"}
_OF_SOME = "of the checks that ran"
_LEVELS = {
    "none": "a MUST is broken: the service does not conform",
    "MUST": "every MUST is kept, and not every SHOULD",
    "SHOULD": "every MUST and every SHOULD is kept",
    "MAY": "everything that was tried is kept",
}


def by_area(results: Iterable[CheckResult]) -> Iterator[tuple[str, list[CheckResult]]]:
    """Yield each area's title and results, in the order of the report."""
    for area, group in groupby(results, key=lambda each: each.area):
        yield AREAS.get(area, area), list(group)


def headline(report: Report) -> list[str]:
    """Return what was tried, in a few lines."""
    document = report.target.document
    manifest = f"manifest {document.source}" if document else "no manifest: the paths of version 1"
    told = report.as_dict()
    lines = [
        report.target.url,
        f"contract {told['contract']}, {report.profile.value} profile, {told['tester']}",
        manifest,
    ]
    if report.extensions:
        lines.append(f"extensions: {', '.join(report.extensions)}")
    if report.left_out:
        lines.append(selection(report))
    return lines


def selection(report: Report) -> str:
    """Return how much of its profile a report is about."""
    asked = len(report.checks)
    return f"{asked} of the {asked + report.left_out} checks of the profile: no more were asked for"


def verdict(report: Report) -> str:
    """Return what is said of the service: of the whole contract only where all of it was tried."""
    if not report.conforms:
        return "does not conform to the Standard API"
    return "conforms to the Standard API" if report.is_whole else f"keeps every MUST {_OF_SOME}"


def level_sentence(report: Report) -> str:
    """Return what the level means."""
    sentence = _LEVELS[report.level]
    return sentence if report.is_whole or not report.conforms else f"{_OF_SOME}, {sentence}"


def milliseconds(result: CheckResult) -> str:
    """Return how long a check took, such as ``45ms``; nothing where it made no call."""
    return "" if result.duration_ms is None else f"{result.duration_ms:.0f}ms"


def exchange_lines(exchange: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return a request and its answer as lines, much as they went over the wire."""
    sent, came = exchange["request"], exchange["response"]
    request = [f"{sent['method']} {sent['url']}", *_fields(sent)]
    if came is None:
        return request, [exchange["trouble"] or "no answer"]
    return request, [f"{came['status']} ({exchange['duration_ms']:.0f}ms)", *_fields(came)]


def _fields(message: dict[str, Any]) -> list[str]:
    headers = [f"{name}: {value}" for name, value in message["headers"].items()]
    return [*headers, "", *message["body"].splitlines()] if message["body"] else headers


def harmless(text: str) -> str:
    """Return a text of the service's that can not steer a terminal: what is not to be seen is written as an escape."""
    return "".join(
        char
        if char in "\n\u200d\ufe0f" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
