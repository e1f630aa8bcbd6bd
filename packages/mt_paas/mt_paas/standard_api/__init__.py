"""The contract between a market and a service: models, manifest, handler, router, and the caller's side.

The names below are the public ones. Those that need an extra, or that take long to import, are loaded when they are
first asked for; without their extra that raises :class:`~mt_paas.errors.MissingExtraError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mt_paas.standard_api.handler import CallContext, StandardAPIHandler, call_context, in_call
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    Admin,
    AdminCredentials,
    DeactivateReason,
    DeactivateRequest,
    DeactivateResponse,
    ErrorBody,
    Health,
    HealthCheck,
    HealthStatus,
    StatusResponse,
    StorageFigures,
    TenantConfig,
    TenantState,
    Usage,
    UsageResponse,
    UserFigures,
)
from mt_paas.standard_api.problem import error_registry

if TYPE_CHECKING:
    from mt_paas.standard_api.addresses import AddressPolicy
    from mt_paas.standard_api.client import StandardAPIClient, Timeouts
    from mt_paas.standard_api.manifest import Manifest
    from mt_paas.standard_api.router import create_standard_router

__all__ = [
    "ActivateRequest",
    "ActivateResponse",
    "AddressPolicy",
    "Admin",
    "AdminCredentials",
    "CallContext",
    "DeactivateReason",
    "DeactivateRequest",
    "DeactivateResponse",
    "ErrorBody",
    "Health",
    "HealthCheck",
    "HealthStatus",
    "Manifest",
    "StandardAPIClient",
    "StandardAPIHandler",
    "StatusResponse",
    "StorageFigures",
    "TenantConfig",
    "TenantState",
    "Timeouts",
    "Usage",
    "UsageResponse",
    "UserFigures",
    "call_context",
    "create_standard_router",
    "error_registry",
    "in_call",
]

_LAZY = {
    "AddressPolicy": "mt_paas.standard_api.addresses",
    "Manifest": "mt_paas.standard_api.manifest",
    "StandardAPIClient": "mt_paas.standard_api.client",
    "Timeouts": "mt_paas.standard_api.client",
    "create_standard_router": "mt_paas.standard_api.router",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
