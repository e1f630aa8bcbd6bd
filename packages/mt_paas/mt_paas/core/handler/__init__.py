""":class:`ManagedTenantHandler`: the whole of the Standard API on a :class:`~mt_paas.core.manager.TenantManager`.

A service takes it as it is, or overrides what only the service knows: the hooks of
:class:`~mt_paas.core.handler.base.ManagedBase`, such as ``count_usage`` and ``select_resources``.
"""

from __future__ import annotations

from mt_paas.core.handler.base import HandlerOptions
from mt_paas.core.handler.dashboard import DashboardCalls
from mt_paas.core.handler.later import LaterCalls

__all__ = ["HandlerOptions", "ManagedTenantHandler"]


class ManagedTenantHandler(LaterCalls, DashboardCalls):
    """The contract's calls for the tenants of ``manager``; ``manifest`` says where the service is reached."""
