"""A right service in memory, whole: what the contract says, in as few words as a service can say it.

One file for each part of the contract, over one state; :class:`~mt_paas.testing.fake.service.FakeService` is all of
them together. A service's author may read it as an example, with a database where this has dictionaries.
"""

from __future__ import annotations

from mt_paas.testing.fake.operations import FakeOperation
from mt_paas.testing.fake.service import FakeService, OperationName
from mt_paas.testing.fake.state import FakeTenant, Use

__all__ = ["FakeOperation", "FakeService", "FakeTenant", "OperationName", "Use"]
