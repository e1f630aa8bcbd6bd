"""The report as JUnit XML: one test case a check, so that continuous integration shows it among other tests."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from mt_paas.conformance.report.wording import TITLE, exchange_lines, verdict
from mt_paas.conformance.results import CheckResult, Report, Status

__all__ = ["as_junit"]

# What XML 1.0 can not hold (section 2.2), not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> str:
    """Return the report as XML. A violated MUST is a failure; a violated SHOULD or MAY is told in ``system-out``."""
    score = report.score
    counts = {
        "tests": str(len(report.checks)),
        "failures": str(score.failed),
        "errors": "0",
        "skipped": str(score.skipped),
        "time": f"{report.duration_ms / 1000:.3f}",
    }
    suites = ET.Element("testsuites", {"name": TITLE, **counts})
    started = report.started_at.replace(tzinfo=None).isoformat(timespec="seconds")
    suite = ET.SubElement(suites, "testsuite", {"name": _xml(report.target.url), "timestamp": started, **counts})
    told = report.as_dict()
    properties = ET.SubElement(suite, "properties")
    for name in ("target", "profile", "level", "contract", "manifest", "tester"):
        ET.SubElement(properties, "property", {"name": name, "value": _xml(str(told[name] or ""))})
    ET.SubElement(properties, "property", {"name": "verdict", "value": verdict(report)})
    for each in report.checks:
        _add(suite, each)
    if report.hints:
        ET.SubElement(suite, "system-out").text = _xml("\n".join(f"Hint: {hint}" for hint in report.hints))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _add(suite: ET.Element, each: CheckResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": each.area, "name": f"{each.id}: {each.name}", "time": f"{(each.duration_ms or 0) / 1000:.3f}"},
    )
    if each.status is Status.SKIP:
        ET.SubElement(case, "skipped", {"message": _xml(each.message)})
    elif each.status is Status.FAIL:
        failure = ET.SubElement(case, "failure", {"type": each.level.value, "message": _xml(each.message)})
        failure.text = _xml(_evidence(each))
    elif each.status is Status.WARN:
        ET.SubElement(case, "system-out").text = _xml(f"{each.level} is not kept. {_evidence(each)}")


def _evidence(each: CheckResult) -> str:
    lines = [each.message, f"The contract says: {each.rule}"]
    for exchange in each.exchanges:
        request, response = exchange_lines(exchange)
        lines += ["", *[f"> {line}" for line in request], *[f"< {line}" for line in response]]
    return "\n".join(lines)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
