"""The tenants of one service: who they are, where they are in their life, and the database of each.

The names below are the public ones. They are loaded when they are first asked for; most need the extra ``sqlalchemy``
and raise :class:`~mt_paas.errors.MissingExtraError` without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt_paas.core.handler import ManagedTenantHandler
    from mt_paas.core.lifecycle import TenantLifecycle, TenantStatus
    from mt_paas.core.manager import TenantManager
    from mt_paas.core.schemas import Tenant, TenantPage, Transition

__all__ = [
    "ManagedTenantHandler",
    "Tenant",
    "TenantLifecycle",
    "TenantManager",
    "TenantPage",
    "TenantStatus",
    "Transition",
]

_LAZY = {
    "ManagedTenantHandler": "mt_paas.core.handler",
    "Tenant": "mt_paas.core.schemas",
    "TenantLifecycle": "mt_paas.core.lifecycle",
    "TenantManager": "mt_paas.core.manager",
    "TenantPage": "mt_paas.core.schemas",
    "TenantStatus": "mt_paas.core.lifecycle",
    "Transition": "mt_paas.core.schemas",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
