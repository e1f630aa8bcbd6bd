"""What can go wrong with operations."""

from __future__ import annotations

from service_market.core.errors import Conflict, Gone, NotFound

__all__ = [
    "DataNotPreserved",
    "OperationInProgress",
    "OperationNotFound",
    "ReactivationDeadlinePassed",
    "TenantInWrongState",
]


class OperationNotFound(NotFound):
    """There is no such operation."""

    code = "operation_not_found"


class OperationInProgress(Conflict):
    """Another operation on this tenant is under way; `details` says which."""

    code, retryable = "operation_in_progress", True


class ReactivationDeadlinePassed(Gone):
    """The time in which the tenant could be brought back is over."""

    code = "reactivation_deadline_passed"


class DataNotPreserved(Gone):
    """The tenant was deactivated without keeping its data, so it can not be brought back."""

    code = "data_not_preserved"


class TenantInWrongState(Conflict):
    """This can not be done to a tenant in its present state."""

    code = "tenant_in_wrong_state"
