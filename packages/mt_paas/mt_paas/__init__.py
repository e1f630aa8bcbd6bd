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

from typing import TYPE_CHECKING

from mt_paas.utils.lazy import lazy

if TYPE_CHECKING:
    from mt_paas import errors
    from mt_paas.core.lifecycle import TenantLifecycle, TenantStatus
    from mt_paas.core.manager import TenantManager
    from mt_paas.integrations import MarketplaceClient
    from mt_paas.setup import CurrentPrincipal, CurrentTenant, CurrentUser, TenantSession, setup_multi_tenant
    from mt_paas.standard_api import Manifest, StandardAPIClient, StandardAPIHandler, create_standard_router
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "mt_paas.core.lifecycle": ["TenantLifecycle", "TenantStatus"],
            "mt_paas.core.manager": ["TenantManager"],
            "mt_paas.integrations": ["MarketplaceClient"],
            "mt_paas.setup": [
                "CurrentPrincipal",
                "CurrentTenant",
                "CurrentUser",
                "TenantSession",
                "setup_multi_tenant",
            ],
            "mt_paas.standard_api": ["Manifest", "StandardAPIClient", "StandardAPIHandler", "create_standard_router"],
        },
        modules=["errors"],
    )

__all__ = [
    "CurrentPrincipal",
    "CurrentTenant",
    "CurrentUser",
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
