"""Where an exception passed through, without its text: that may hold what a caller sent."""

from __future__ import annotations

__all__ = ["places"]

_DEEPEST = 6


def places(error: BaseException) -> str:
    """Return the innermost places of the exception's way, outermost first."""
    passed, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        passed.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(passed[-_DEEPEST:])
