"""What the exit codes of ``market`` mean, and the exception that ends a command with one of them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EXIT_TABLE", "ExitCode", "Stop", "exit_code_of"]


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    INVALID = 7
    INTERRUPTED = 130


#: The one table of exit codes: the help shows it, and the tests hold it against :class:`ExitCode`.
EXIT_TABLE: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "what was asked for failed: an operation, a verification, the market itself",
    ExitCode.USAGE: "the command was not understood",
    ExitCode.UNREACHABLE: "the market can not be reached",
    ExitCode.NOT_ALLOWED: "not allowed: no token, a wrong one, or one that may not do this (401, 403)",
    ExitCode.NOT_FOUND: "there is no such thing (404)",
    ExitCode.CONFLICT: "it does not fit the present state (409, 410)",
    ExitCode.INVALID: "what was sent can not be used: a faulty manifest, a wrong value (422)",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; what was started goes on in the market",
}

_BY_STATUS = {
    400: ExitCode.INVALID,
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    410: ExitCode.CONFLICT,
    413: ExitCode.INVALID,
    422: ExitCode.INVALID,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
    504: ExitCode.UNREACHABLE,
}


class Stop(Exception):
    """Ends the command with ``code``, after saying ``message`` on standard error."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def exit_code_of(status: int) -> ExitCode:
    """Return the exit code for an answer of the market that is not a success."""
    return _BY_STATUS.get(status, ExitCode.FAILED)
