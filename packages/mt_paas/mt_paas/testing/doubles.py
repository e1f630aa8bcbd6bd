"""Services for tests: a right one in memory, and every way in which a service can be wrong.

A :class:`FakeService` is an ASGI application that keeps the contract. Told to :meth:`~FakeService.behave` it breaks
it, in one call or in all, until it is told otherwise; and it remembers the calls that it got::

    service = FakeService()
    async with serve(service) as base_url:
        service.behave(refuse(TenantAlreadyExists), on="activate")
        ...                                  # drive it by service.manifest(base_url) and service.api_key
        service.behave(rightly, on="activate")
        assert service.count("activate") == 2

A behaviour is a coroutine function over a :class:`Call`; tests may write their own. The most frequent ones are
classes too: :class:`Slow`, :class:`Never`, :class:`Flaky`, :class:`Lying`, :class:`Garbage`.
"""

from __future__ import annotations

from mt_paas.errors import MissingExtraError

try:
    from mt_paas.testing.fake import FakeOperation, FakeService, FakeTenant, OperationName, Use
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.testing.doubles", "testing") from error
from mt_paas.testing.behaviours import (
    Behaviour,
    Call,
    RecordedCall,
    Said,
    altering,
    answer_with,
    dripping,
    dropped,
    fail,
    flaky,
    garbage,
    lying,
    refuse,
    rightly,
    silent,
    slow,
)
from mt_paas.testing.faults import Fault, Flaky, Garbage, Lying, Never, Slow
from mt_paas.testing.serving import serve

__all__ = [
    "Behaviour",
    "Call",
    "FakeOperation",
    "FakeService",
    "FakeTenant",
    "Fault",
    "Flaky",
    "Garbage",
    "Lying",
    "Never",
    "OperationName",
    "RecordedCall",
    "Said",
    "Slow",
    "Use",
    "altering",
    "answer_with",
    "dripping",
    "dropped",
    "fail",
    "flaky",
    "garbage",
    "lying",
    "refuse",
    "rightly",
    "serve",
    "silent",
    "slow",
]
