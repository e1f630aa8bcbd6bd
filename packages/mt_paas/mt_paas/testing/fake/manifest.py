"""The manifest of a fake service: version 2.0 with all that the contract has, or 1.0 with the five calls."""

from __future__ import annotations

from typing import Any, Literal

from mt_paas.standard_api.manifest import Manifest

__all__ = ["fake_manifest"]

_TENANT = "/mt/tenant/{tenant_id}"
_VERSION_1 = {
    "health": "/mt/health",
    "tenant_activate": f"{_TENANT}/activate",
    "tenant_deactivate": f"{_TENANT}/deactivate",
    "tenant_status": f"{_TENANT}/status",
    "usage_report": f"{_TENANT}/usage",
    "user_access": "/app/{tenant_id}",
}
_VERSION_2 = {
    "stats": f"{_TENANT}/stats",
    "stats_costs": f"{_TENANT}/stats/costs",
    "stats_top_users": f"{_TENANT}/stats/top-users",
    "users": f"{_TENANT}/users",
    "user": f"{_TENANT}/users/{{user_id}}",
    "resources": f"{_TENANT}/resources",
    "settings": f"{_TENANT}/settings",
    "operation": "/mt/operations/{operation_id}",
    "plan_change": f"{_TENANT}/plan",
    "suspend": f"{_TENANT}/suspend",
    "resume": f"{_TENANT}/resume",
    "purge": _TENANT,
    "export": f"{_TENANT}/export",
    "credentials_rotate": f"{_TENANT}/credentials/rotate",
    "sso": f"{_TENANT}/sso",
    "inventory": "/mt/tenants",
}


def fake_manifest(
    base_url: str, *, service_id: str, plans: tuple[str, ...], version: Literal["1.0", "2.0"]
) -> Manifest:
    """Return the manifest of a fake service at ``base_url``."""
    document: dict[str, Any] = {
        "version": version,
        "service": {
            "id": service_id,
            "name": "A fake service",
            "description": "In memory, for tests.",
            "version": "1.0.0",
            "vendor": "mt_paas",
        },
        "endpoints": {"base_url": base_url, **_VERSION_1},
        "auth": {"type": "api_key", "header": "X-Market-API-Key"},
        "isolation": {"supported": ["DATABASE_PER_TENANT"], "default": "DATABASE_PER_TENANT"},
        "features": {plan: ["notes"] for plan in plans},
    }
    if version == "2.0":
        document["endpoints"] |= _VERSION_2
        document["capabilities"] = ["async_operations", "events"]
        document["plans"] = {
            plan: {
                "features": ["notes"],
                "limits": {"max_users": 100 * place},
                "price": {"amount": str(99000 * place), "currency": "KRW", "interval": "month"},
            }
            for place, plan in enumerate(plans, start=1)
        }
        document["localized"] = {"ko": {"name": "가짜 서비스"}}
    return Manifest.model_validate(document)
