"""The forms that a report can have."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Format"]


class Format(StrEnum):
    """The form of a report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    HTML = "html"
