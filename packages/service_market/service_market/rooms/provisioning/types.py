"""Kinds and states of operations and of their steps."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OperationKind", "OperationState", "StepState"]


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
    """How far a step of an operation is. ``uncertain``: it was sent, and nobody knows whether it was done."""

    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
