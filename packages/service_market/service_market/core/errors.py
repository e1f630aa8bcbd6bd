"""The market's errors: each with a stable code, an HTTP status, and its message as docstring.

::

    MarketError
    ├── Unauthenticated          401 unauthenticated     (rooms subclass it)
    ├── Forbidden                403 forbidden
    ├── NotFound                 404 not_found           (rooms subclass it: tenant_not_found…)
    ├── Conflict                 409 conflict            (rooms subclass it)
    │   └── AnswerNotKept        409 answer_not_kept
    ├── Gone                     410 gone                (rooms subclass it)
    ├── BodyTooLarge             413 body_too_large
    ├── Invalid                  422 invalid             (rooms subclass it)
    │   ├── InvalidBody          422 invalid_body
    │   ├── InvalidCursor        422 invalid_cursor
    │   └── IdempotencyKeyReused 422 idempotency_key_reused
    └── Unavailable              503 unavailable
        └── Busy                 503 busy

A room's own errors live in the room's ``errors.py``; ``docs/reference/errors.md`` lists them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

__all__ = [
    "AnswerNotKept",
    "BodyTooLarge",
    "Busy",
    "Conflict",
    "Forbidden",
    "Gone",
    "IdempotencyKeyReused",
    "Invalid",
    "InvalidBody",
    "InvalidCursor",
    "MarketError",
    "NotFound",
    "Unauthenticated",
    "Unavailable",
    "registry",
]


class MarketError(Exception):
    """The market could not do what was asked."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        super().__init__(self.message)


class Unauthenticated(MarketError):
    """A token is needed: send `Authorization: Bearer mtp_…`."""

    status, code = 401, "unauthenticated"


class Forbidden(MarketError):
    """This token may not do that."""

    status, code = 403, "forbidden"


class NotFound(MarketError):
    """There is nothing at this address."""

    status, code = 404, "not_found"


class Conflict(MarketError):
    """What was asked does not fit the present state."""

    status, code = 409, "conflict"


class AnswerNotKept(Conflict):
    """This request was done before; its answer held a secret, was shown once, and was not kept."""

    code = "answer_not_kept"


class Gone(MarketError):
    """It was here once, and is not any more."""

    status, code = 410, "gone"


class BodyTooLarge(MarketError):
    """The body is larger than the market reads."""

    status, code = 413, "body_too_large"


class Invalid(MarketError):
    """What was sent can not be used."""

    status, code = 422, "invalid"


class InvalidBody(Invalid):
    """The body is not what this call takes; `details` lists every fault with its place."""

    code = "invalid_body"

    @classmethod
    def of(cls, faults: Sequence[tuple[str, str]]) -> Self:
        """Return the error that tells of ``faults``: the place of each (``body/admin/email``), and what is wrong."""
        message = "; ".join(f"{place}: {fault}" for place, fault in faults[:3])
        return cls(message, details=[{"path": place, "message": fault} for place, fault in faults])


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave out; begin again without it."""

    code = "invalid_cursor"


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used before for another request; take a new one for a new request."""

    code = "idempotency_key_reused"


class Unavailable(MarketError):
    """Something that the market needs is away; try again soon."""

    status, code, retryable = 503, "unavailable", True


class Busy(Unavailable):
    """Another request holds what this one needs; try again."""

    code = "busy"


def registry() -> Iterator[type[MarketError]]:
    """Yield every error class that is loaded, parents first."""
    waiting: list[type[MarketError]] = [MarketError]
    while waiting:
        error = waiting.pop(0)
        yield error
        waiting.extend(sorted(error.__subclasses__(), key=lambda each: each.__name__))
