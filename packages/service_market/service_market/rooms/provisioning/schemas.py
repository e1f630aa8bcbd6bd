"""What the API says and hears of operations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from mt_paas.standard_api.models import DeactivateReason
from pydantic import Field

from service_market.core.envelope import Wire
from service_market.rooms.provisioning.types import OperationKind, OperationState, StepState

__all__ = ["DeactivateTenant", "OperationError", "OperationOut", "ReactivateTenant", "StepOut"]


class DeactivateTenant(Wire):
    """Why a tenant is closed. Its data are kept until the reactivation deadline."""

    reason: DeactivateReason = DeactivateReason.ADMIN_REQUEST


class ReactivateTenant(Wire):
    """How a tenant comes back."""

    renew_months: Annotated[
        int | None,
        Field(
            ge=1,
            le=120,
            description="Renews the subscription for this many months if it has ended; one that runs stays as it is.",
        ),
    ] = None


class StepOut(Wire):
    """A step of an operation."""

    name: str
    state: StepState
    attempts: int
    error: str | None
    finished_at: datetime


class OperationError(Wire):
    """Why an operation failed, or why its last attempt did."""

    code: Annotated[str, Field(examples=["service_refused"])]
    message: Annotated[
        str, Field(examples=["POST https://…/activate answered 409 tenant_already_exists: the tenant is there already"])
    ]


class OperationOut(Wire):
    """Work on a tenant. Poll it until ``state`` is ``succeeded`` or ``failed``."""

    id: UUID
    kind: OperationKind
    tenant_id: Annotated[str, Field(examples=["hallym_univ"])]
    service_id: str
    state: OperationState
    attempt: int
    error: OperationError | None
    steps: list[StepOut]
    result: dict[str, Any] | None
    requested_by: str
    next_attempt_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
