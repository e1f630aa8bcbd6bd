"""The root of the tree, and what is wrong before any call is made: set-up, database, manifest, state machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BackupInvalid",
    "ConfigurationError",
    "DatabaseUnavailable",
    "IllegalTransition",
    "ManifestError",
    "ManifestFault",
    "MissingExtraError",
    "MoveBusy",
    "MoveFailed",
    "MtPaasError",
    "SignatureInvalid",
    "TenantNotBound",
    "UnsafePath",
]


class MtPaasError(Exception):
    """The root: catch it to catch everything that mt_paas raises on purpose."""


class ConfigurationError(MtPaasError):
    """The set-up is wrong; the message says which setting, and what to do."""


class MissingExtraError(ConfigurationError, ImportError):
    """A part of mt_paas needs an extra that is not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f'{part} needs an extra that is not installed: pip install "mt-paas[{extra}]"')
        self.extra = extra


class DatabaseUnavailable(MtPaasError):
    """The database did not start, or can not be connected to; the message says why."""


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """One fault of a manifest and its place. ``line`` and ``column`` count from 1."""

    path: str
    line: int
    column: int
    message: str
    expected: str = ""
    suggestion: str = ""

    def describe(self, source: str = "manifest.yaml") -> str:
        """Return the fault in one line, as a compiler would print it."""
        text = f"{source}:{self.line}:{self.column}: {self.path or 'document'}: {self.message}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.suggestion:
            text += f" ({self.suggestion})"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as it appears in ``details`` of an API answer."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "expected": self.expected,
            "suggestion": self.suggestion,
        }


class TenantNotBound(MtPaasError):
    """No tenant is bound here: name one (``tenant_id=…``), or do it in a request of a tenant or in ``mt.run_as(…)``."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class UnsafePath(MtPaasError, ValueError):
    """The path is not one of a tenant's file; the message says what is wrong with it."""


class ManifestError(MtPaasError):
    """A manifest that can not be used, with every fault that it has."""

    def __init__(self, faults: Sequence[ManifestFault], source: str = "manifest.yaml") -> None:
        self.faults = tuple(faults)
        self.source = source
        super().__init__("\n".join(fault.describe(source) for fault in self.faults))


class IllegalTransition(MtPaasError):
    """A state machine was asked for a step that its table does not have."""

    def __init__(self, subject: str, current: str, wanted: str, allowed: Sequence[str] = ()) -> None:
        may = ", ".join(allowed) or "nothing: it is final"
        super().__init__(f"{subject} is {current} and can not become {wanted}; from {current} it may become {may}")
        self.subject, self.current, self.wanted = subject, current, wanted


class MoveFailed(MtPaasError):
    """The tenant could not be moved, and is where it was; the message says why."""


class MoveBusy(MoveFailed):
    """The tenant's transactions leave no moment in which it could be moved; the message says what to do."""


class BackupInvalid(MtPaasError):
    """The file is no whole backup of a tenant, or does not fit; the message says what is wrong. Nothing was changed."""


class SignatureInvalid(MtPaasError):
    """The event is not signed with the secret of the call-back that it came to."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
