"""The one error shape of the contract, and the registry of its error words.

An error leaves a service as ``application/problem+json`` (RFC 9457) that also carries the contract's own ``error``,
``message``, ``details``, ``request_id`` and ``retryable``. Every word comes from a
:class:`~mt_paas.errors.ContractError`; :func:`error_registry` lists them all, for documents and for tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mt_paas.errors import ContractError, TenantBlocked
from mt_paas.standard_api.models import ErrorBody

__all__ = ["PROBLEM_TYPE", "ErrorWord", "error_registry", "error_type", "problem", "problem_json"]

PROBLEM_TYPE = "application/problem+json"

# One class, two words: which of them is known only when it is raised.
_SECOND_WORDS: Mapping[str, type[ContractError]] = {"tenant_deactivated": TenantBlocked}


@dataclass(frozen=True, slots=True)
class ErrorWord:
    """One entry of the registry: a stable machine word, its HTTP status, and its default message."""

    code: str
    status: int
    retryable: bool
    message: str


def error_registry() -> dict[str, ErrorWord]:
    """Return every error word of the contract, sorted by status and word."""
    words = [*((error.code, error) for error in _subclasses(ContractError)), *_SECOND_WORDS.items()]
    entries = (ErrorWord(code, error.status, error.retryable, error().message) for code, error in words)
    return {entry.code: entry for entry in sorted(entries, key=lambda entry: (entry.status, entry.code))}


def error_type(code: str) -> str:
    """Return the ``type`` of the problem documents (RFC 9457, section 3.1.1) that carry an error word."""
    return f"urn:mt-paas:error:{code}"


def problem(error: ContractError, request_id: str) -> ErrorBody:
    """Return ``error`` as the body that answers the call ``request_id``."""
    return ErrorBody(
        type=error_type(error.code),
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        detail=error.message,
        error=error.code,
        message=error.message,
        details=_plain(error.details),
        request_id=request_id,
        retryable=error.retryable,
    )


def problem_json(error: ContractError, request_id: str) -> str:
    """Return ``error`` as the JSON that answers the call ``request_id``, whatever its ``details`` are made of."""
    return problem(error, request_id).model_dump_json(exclude_none=True)


def _plain(details: Any) -> Any:
    """Return ``details`` as JSON has it; what JSON does not know is written as text, so that the error gets out."""
    try:
        return json.loads(json.dumps(details, default=str, skipkeys=True))
    except (ValueError, RecursionError):  # it holds itself, or has no bottom
        return None


def _subclasses(base: type[ContractError]) -> Iterator[type[ContractError]]:
    for cls in base.__subclasses__():
        if cls.__module__ == base.__module__:  # a service's own errors are not the contract's
            yield cls
        yield from _subclasses(cls)
