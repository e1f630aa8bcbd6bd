"""A report in four forms: a table for people, JSON, JUnit XML for continuous integration, and a page."""

from __future__ import annotations

import json
from collections.abc import Callable

from mt_paas.conformance.formats import Format
from mt_paas.conformance.report.html import as_html
from mt_paas.conformance.report.junit import as_junit
from mt_paas.conformance.report.text import as_text, summary
from mt_paas.conformance.results import Report

__all__ = ["Format", "render", "summary"]


def render(report: Report, form: Format, *, has_colour: bool = False, width: int = 80) -> str:
    """Return the report as a text that ends with a line break; colour and width, in columns, are those of a table."""
    forms: dict[Format, Callable[[], str]] = {
        Format.TEXT: lambda: as_text(report, has_colour=has_colour, width=width),
        Format.JSON: lambda: json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n",
        Format.JUNIT: lambda: as_junit(report),
        Format.HTML: lambda: as_html(report),
    }
    return forms[form]()
