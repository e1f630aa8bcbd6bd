"""What a tenant's request passes through before a route sees it: who sends it, for which tenant, and how often.

Three pure ASGI classes, for HTTP and WebSockets; streams flow through, the lifespan passes. ``setup_multi_tenant`` puts
them around an app in the one order that works: :class:`AuthMiddleware` finds the principal, :class:`TenantMiddleware`
the tenant that the principal binds, :class:`RateLimitMiddleware` counts. The names below are loaded when they are first
asked for, and need the extra ``fastapi``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mt_paas.utils.lazy import lazy

if TYPE_CHECKING:
    from mt_paas.middleware.auth import AuthMiddleware
    from mt_paas.middleware.principal import Principal, PrincipalKind
    from mt_paas.middleware.rate_limit import RateLimitMiddleware
    from mt_paas.middleware.tenant import TenantMiddleware
    from mt_paas.middleware.tokens import TokenVerifier
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "mt_paas.middleware.auth": ["AuthMiddleware"],
            "mt_paas.middleware.principal": ["Principal", "PrincipalKind"],
            "mt_paas.middleware.rate_limit": ["RateLimitMiddleware"],
            "mt_paas.middleware.tenant": ["TenantMiddleware"],
            "mt_paas.middleware.tokens": ["TokenVerifier"],
        },
    )

__all__ = [
    "AuthMiddleware",
    "Principal",
    "PrincipalKind",
    "RateLimitMiddleware",
    "TenantMiddleware",
    "TokenVerifier",
]
