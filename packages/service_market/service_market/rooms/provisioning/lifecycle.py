"""The state machine of an operation."""

from __future__ import annotations

from mt_paas.errors import IllegalTransition

from service_market.rooms.provisioning.types import OperationState

__all__ = ["TERMINAL", "TRANSITIONS", "check"]

_S = OperationState
TRANSITIONS: dict[OperationState, frozenset[OperationState]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.SUCCEEDED, _S.FAILED}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.UNDOING}),
    _S.UNDOING: frozenset({_S.FAILED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
}
TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


def check(operation: str, current: OperationState, wanted: OperationState) -> None:
    """Raise :class:`~mt_paas.errors.IllegalTransition` where the table has no such step."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"operation {operation}", current, wanted, sorted(TRANSITIONS[current]))
