"""The report as a table for people, 80 columns wide, and beneath it what failed with its evidence."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mt_paas.conformance.report.wording import (
    MARKS,
    TITLE,
    by_area,
    exchange_lines,
    harmless,
    headline,
    level_sentence,
    milliseconds,
    selection,
    verdict,
)
from mt_paas.conformance.results import CheckResult, Report, Status

__all__ = ["as_text", "summary"]

_COLOURS = {Status.PASS: "32", Status.FAIL: "1;31", Status.WARN: "33", Status.SKIP: "2"}
_EVIDENCE_LINES = 24
_UNDECLARED = "not declared"


def as_text(report: Report, *, has_colour: bool = False, width: int = 80) -> str:
    """Return the table, what failed with request, response and the contract's sentence, and what was skipped."""
    return "\n".join(_Page(report, has_colour=has_colour, width=width).lines()) + "\n"


def summary(report: Report) -> str:
    """Return the report in one line."""
    score = report.score
    return (
        f"{report.target.url} {verdict(report)}: {score.passed}/{score.judged} ({score.percent}%),"
        f" {score.failed} failed, {score.warned} warned, {score.skipped} skipped; level {report.level}"
        + (f"; {selection(report)}" if report.left_out else "")
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """The report being laid out, ``width`` columns wide."""

    report: Report
    has_colour: bool
    width: int

    def lines(self) -> Iterator[str]:
        """Yield the lines of the page."""
        yield from self._table()
        for hint in self.report.hints:
            yield ""
            yield from self._wrapped(f"Hint: {harmless(hint)}")
        yield from self._failures()
        yield from self._skipped()

    def _table(self) -> Iterator[str]:
        score, edge = self.report.score, self.width - 2
        yield f"╔{'═' * edge}╗"
        yield self._row(TITLE, "1")
        for line in headline(self.report):
            yield from (self._row(part) for part in _wrapped(harmless(line), self._inside))
        for title, results in by_area(self.report.checks):
            judged = [each for each in results if each.status is not Status.SKIP]
            if not judged:
                continue
            yield f"╟{'─' * edge}╢"
            yield self._row(title, "1")
            for each in judged:
                yield from (self._row(line, _COLOURS[each.status]) for line in self._verdict(each))
            if left := len(results) - len(judged):
                yield self._row(f"{MARKS[Status.SKIP]} {left} skipped", _COLOURS[Status.SKIP])
        yield f"╠{'═' * edge}╣"
        yield self._row(f"Score: {score.passed}/{score.judged} ({score.percent}%)", "1")
        counts = f"{score.failed} failed, {score.warned} warned, {score.skipped} skipped"
        yield self._row(f"{counts}, in {self.report.duration_ms / 1000:.1f} s")
        yield self._row(f"Level: {self.report.level} ({level_sentence(self.report)})")
        yield f"╚{'═' * edge}╝"

    def _verdict(self, each: CheckResult) -> Iterator[str]:
        """Yield a check's name in as many lines as it takes, the verdict in the first of them."""
        took = f" ({milliseconds(each)})" if milliseconds(each) else ""
        room = self._inside - 27
        name, *more = _wrapped(each.name, room)
        padding = " " * (room - _columns(name))
        yield f"{MARKS[each.status]} {name}{padding}  {each.level:<6}  {each.status.upper()}{took}"
        yield from (f"   {line}" for line in more)

    def _failures(self) -> Iterator[str]:
        broken = [each for each in self.report.checks if each.status in {Status.FAIL, Status.WARN}]
        for each in sorted(broken, key=lambda each: each.status is Status.WARN):
            yield ""
            for line in self._wrapped(f"{MARKS[each.status]} {each.id} ({each.level}): {each.name}"):
                yield self._coloured(line, _COLOURS[each.status])
            yield from self._wrapped(harmless(each.message), "   ")
            yield from self._wrapped(f"The contract says: {each.rule}", "   ")
            for exchange in each.exchanges[-1:]:
                request, response = exchange_lines(exchange)
                yield ""
                yield from self._quoted(request, "   > ")
                yield from self._quoted(response, "   < ")

    def _skipped(self) -> Iterator[str]:
        """Yield what was skipped by reason: of an area of which nothing was tried, the area alone."""
        reasons: dict[str, list[str]] = {}
        for _, results in by_area(self.report.checks):
            skipped = [each for each in results if each.status is Status.SKIP]
            undeclared = [each for each in skipped if each.message.startswith(_UNDECLARED)]
            if len(undeclared) == len(results):
                reasons.setdefault(_UNDECLARED, []).append(results[0].area)
                continue
            for each in skipped:
                reasons.setdefault(_UNDECLARED if each in undeclared else each.message, []).append(each.id)
        if reasons:
            yield ""
            yield f"{MARKS[Status.SKIP]} skipped"
        for reason, ids in reasons.items():
            yield from self._wrapped(f"{harmless(reason)}: {', '.join(ids)}", "   ")

    def _quoted(self, lines: Sequence[str], prefix: str) -> Iterator[str]:
        for line in lines[:_EVIDENCE_LINES]:  # as it went over the wire, however wide: it may be copied
            yield f"{prefix}{harmless(line)}".rstrip()
        if len(lines) > _EVIDENCE_LINES:
            yield f"{prefix}… ({len(lines) - _EVIDENCE_LINES} more lines)"

    def _wrapped(self, text: str, indent: str = "") -> Iterator[str]:
        """Yield a text in lines that are no wider than the page."""
        yield from (indent + line for line in _wrapped(text, self.width - len(indent)))

    def _row(self, text: str, colour: str = "") -> str:
        padding = " " * max(self._inside - _columns(text), 0)
        return f"║  {self._coloured(text, colour)}{padding}  ║"

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colour and colour else text

    @property
    def _inside(self) -> int:
        """What is between the two sides of the box, and two blanks at each."""
        return self.width - 6


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield a text in lines that are no wider than ``width`` columns; a word goes over the edge of none."""
    line = ""
    for word in text.split():
        if line and _columns(line) + 1 + _columns(word) > width:
            yield line
            line = ""
        *full, line = _broken(f"{line} {word}" if line else word, width)
        yield from full
    yield line


def _broken(line: str, width: int) -> Iterator[str]:
    """Yield a line in parts that are no wider than ``width`` columns."""
    part, used = "", 0
    for char in line:
        if used + _columns(char) > width:
            yield part
            part, used = "", 0
        part, used = part + char, used + _columns(char)
    yield part


def _columns(text: str) -> int:
    """Return how many columns a terminal gives to a text; a mark that asks for its picture has two."""
    columns = 0
    for place, char in enumerate(text):
        if char == "\ufe0f":
            columns += 1 if place and unicodedata.east_asian_width(text[place - 1]) not in "WF" else 0
        elif not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns
