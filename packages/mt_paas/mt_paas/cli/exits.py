"""What the exit codes of ``mt-paas`` mean, and the exception that ends a command with one of them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EXIT_TABLE", "ExitCode", "Stop"]


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    UNUSABLE = 2
    INTERRUPTED = 130


#: The one table of exit codes: the help shows it, and the tests hold it against :class:`ExitCode`.
EXIT_TABLE: dict[ExitCode, str] = {
    ExitCode.DONE: "done; `test`: every MUST is kept",
    ExitCode.FAILED: "`test`: a MUST of the contract is broken; else: what was asked for failed",
    ExitCode.UNUSABLE: "nothing could be judged: wrong arguments, an unusable file, no such service, a refused key",
    ExitCode.INTERRUPTED: "interrupted; `test` removed its tenants all the same, `simulate` says what is left",
}


class Stop(Exception):
    """Ends the command with ``code``, after saying ``message`` on standard error."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
