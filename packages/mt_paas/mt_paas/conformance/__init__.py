"""Tries a service against the Standard API over HTTP, and reports what it keeps and what it breaks.

:func:`run` makes a :class:`Report` of all checks that apply to what the service declares. ``mt-paas test`` is the
command line over it. Needs the extra ``manifest`` for manifests in YAML, and nothing else beside the base install.
The names below are loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mt_paas.utils.lazy import lazy

if TYPE_CHECKING:
    from mt_paas.conformance.expect import Answer, Violation
    from mt_paas.conformance.formats import Format
    from mt_paas.conformance.registry import MAY, MUST, SHOULD, Check, Level, Profile, all_checks, check
    from mt_paas.conformance.report import render
    from mt_paas.conformance.results import CheckResult, Report, Score, Status
    from mt_paas.conformance.runner import run
    from mt_paas.conformance.target import Document, Target, read_document
    from mt_paas.conformance.trial import Trial
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "mt_paas.conformance.expect": ["Answer", "Violation"],
            "mt_paas.conformance.formats": ["Format"],
            "mt_paas.conformance.registry": [
                "MAY",
                "MUST",
                "SHOULD",
                "Check",
                "Level",
                "Profile",
                "all_checks",
                "check",
            ],
            "mt_paas.conformance.report": ["render"],
            "mt_paas.conformance.results": ["CheckResult", "Report", "Score", "Status"],
            "mt_paas.conformance.runner": ["run"],
            "mt_paas.conformance.target": ["Document", "Target", "read_document"],
            "mt_paas.conformance.trial": ["Trial"],
        },
    )

__all__ = [
    "MAY",
    "MUST",
    "SHOULD",
    "Answer",
    "Check",
    "CheckResult",
    "Document",
    "Format",
    "Level",
    "Profile",
    "Report",
    "Score",
    "Status",
    "Target",
    "Trial",
    "Violation",
    "all_checks",
    "check",
    "read_document",
    "render",
    "run",
]
