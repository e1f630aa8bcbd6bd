"""Several migrations at once in one process, each with Alembic to itself.

Scripts speak to ``alembic.op`` and ``alembic.context``: modules, in which Alembic puts what it works on at the moment.
A migration that waits for its database gives the event loop to another one, and that other one would leave its own
things there. So what is in the two modules is exchanged whenever a migration goes on, as a scheduler does with the
registers of a processor.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

from alembic import context, op

__all__ = ["Apart"]

T = TypeVar("T")

_SPACES = (vars(op), vars(context))


class Apart(Generic[T]):
    """Awaits ``work``, which finds in Alembic's modules what it has left there itself, whatever others do meanwhile."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work.__await__()
        mine = _kept()
        sent: Any = None
        fault: BaseException | None = None
        while True:
            others = _kept()
            _put(mine)
            try:
                waits_for = steps.send(sent) if fault is None else steps.throw(fault)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                mine = _kept()
                _put(others)
            sent, fault = None, None
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - a cancellation too is for the migration to see
                fault = error


def _kept() -> list[dict[str, Any]]:
    return [dict(space) for space in _SPACES]


def _put(kept: list[dict[str, Any]]) -> None:
    for space, values in zip(_SPACES, kept, strict=True):
        for name in space.keys() - values.keys():
            del space[name]
        space.update(values)
