"""Make a service tenant-aware in under thirty lines, and plug it into a Service Market.

::

    from fastapi import FastAPI
    from mt_paas import TenantSession, setup_multi_tenant

    app = FastAPI()
    setup_multi_tenant(app, manifest="manifest.yaml", metadata=Base.metadata)

Importing this package takes pydantic and httpx2, and little time. The names below are loaded when they are first asked
for; without the extra that they need, that raises :class:`~mt_paas.errors.MissingExtraError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt_paas import errors
    from mt_paas.core.lifecycle import TenantLifecycle, TenantStatus
    from mt_paas.core.manager import TenantManager
    from mt_paas.integrations import MarketplaceClient
    from mt_paas.setup import CurrentTenant, TenantSession, setup_multi_tenant
    from mt_paas.standard_api import Manifest, StandardAPIClient, StandardAPIHandler, create_standard_router

__all__ = [
    "CurrentTenant",
    "Manifest",
    "MarketplaceClient",
    "StandardAPIClient",
    "StandardAPIHandler",
    "TenantLifecycle",
    "TenantManager",
    "TenantSession",
    "TenantStatus",
    "create_standard_router",
    "errors",
    "setup_multi_tenant",
]

_LAZY = {
    "CurrentTenant": "mt_paas.setup",
    "Manifest": "mt_paas.standard_api",
    "MarketplaceClient": "mt_paas.integrations",
    "StandardAPIClient": "mt_paas.standard_api",
    "StandardAPIHandler": "mt_paas.standard_api",
    "TenantLifecycle": "mt_paas.core.lifecycle",
    "TenantManager": "mt_paas.core.manager",
    "TenantSession": "mt_paas.setup",
    "TenantStatus": "mt_paas.core.lifecycle",
    "create_standard_router": "mt_paas.standard_api",
    "setup_multi_tenant": "mt_paas.setup",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("mt_paas.errors")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
