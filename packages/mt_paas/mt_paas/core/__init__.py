"""The tenants of one service: who they are, where they are in their life, and the database of each.

The names below are the public ones. They are loaded when they are first asked for; most need the extra ``sqlalchemy``
and raise :class:`~mt_paas.errors.MissingExtraError` without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mt_paas.utils.lazy import lazy

if TYPE_CHECKING:
    from mt_paas.core.handler import ManagedTenantHandler
    from mt_paas.core.lifecycle import TenantLifecycle, TenantStatus
    from mt_paas.core.log_context import TenantLogFilter, add_tenant_context
    from mt_paas.core.manager import TenantManager
    from mt_paas.core.schemas import Tenant, TenantPage, Transition
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "mt_paas.core.handler": ["ManagedTenantHandler"],
            "mt_paas.core.lifecycle": ["TenantLifecycle", "TenantStatus"],
            "mt_paas.core.log_context": ["TenantLogFilter", "add_tenant_context"],
            "mt_paas.core.manager": ["TenantManager"],
            "mt_paas.core.schemas": ["Tenant", "TenantPage", "Transition"],
        },
    )

__all__ = [
    "ManagedTenantHandler",
    "Tenant",
    "TenantLifecycle",
    "TenantLogFilter",
    "TenantManager",
    "TenantPage",
    "TenantStatus",
    "Transition",
    "add_tenant_context",
]
