"""Kinds and states of operations and of their steps."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AT_SERVICE", "OperationKind", "OperationState", "StepState"]


class OperationKind(StrEnum):
    """What an operation does to a tenant."""

    ACTIVATE = "activate"
    REACTIVATE = "reactivate"
    DEACTIVATE = "deactivate"
    PURGE = "purge"


class OperationState(StrEnum):
    """How far an operation is. ``undoing``: it was given up, and what it did is being taken back."""

    PENDING = "pending"
    RUNNING = "running"
    UNDOING = "undoing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class StepState(StrEnum):
    """How far a step of an operation is.

    ``uncertain``: it was sent, and nobody knows whether it was done. ``accepted``: the service works on it and is asked
    until it has ended; ``undo_accepted``: so it is with its undoing.
    """

    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    UNDONE = "undone"
    UNDO_ACCEPTED = "undo_accepted"
    UNDO_FAILED = "undo_failed"


#: What a service works on, and is asked for.
AT_SERVICE = frozenset({StepState.ACCEPTED, StepState.UNDO_ACCEPTED})
