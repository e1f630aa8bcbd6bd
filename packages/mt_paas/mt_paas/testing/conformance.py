"""The conformance tester as tests: one for each check, failing with what was said on the wire.

A project's ``test_conformance.py`` is one line, and the service under test is the one of the plugin's fixtures::

    from mt_paas.testing.conformance import *

A broken MUST fails its test, a broken SHOULD or MAY is a :class:`ConformanceWarning`, and what the service does not
declare is skipped. The whole run is made once, with the first of the tests.
"""

from __future__ import annotations

import warnings

import pytest

from mt_paas.conformance import CheckResult, Report, Status, all_checks
from mt_paas.conformance.report.wording import exchange_lines, harmless

__all__ = ["ConformanceWarning", "test_conformance"]


class ConformanceWarning(UserWarning):
    """The service breaks a SHOULD or a MAY of the contract."""


@pytest.mark.parametrize("check_id", [each.id for each in all_checks()])
def test_conformance(check_id: str, conformance_report: Report) -> None:
    """The service keeps the rule of a check."""
    result = next(each for each in conformance_report.checks if each.id == check_id)
    if result.status is Status.SKIP:
        pytest.skip(result.message)
    if result.status is Status.FAIL:
        pytest.fail(evidence(result), pytrace=False)
    if result.status is Status.WARN:
        warnings.warn(evidence(result), ConformanceWarning, stacklevel=2)


def evidence(result: CheckResult) -> str:
    """Return what a check found wrong, the sentence of the contract, and the exchange in which it shows."""
    lines = [f"{result.name} ({result.level})", result.message, f"The contract says: {result.rule}"]
    for exchange in result.exchanges[-1:]:
        request, response = exchange_lines(exchange)
        lines += ["", *(f"> {line}" for line in request), *(f"< {line}" for line in response)]
    return harmless("\n".join(lines))
