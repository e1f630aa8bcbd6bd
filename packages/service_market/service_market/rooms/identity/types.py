"""The dictionary of permissions and the roles made of them. Reference pages and the access tests are made from it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PERMISSIONS", "ROLES", "OrganizationKind", "Role"]

#: Every permission there is, and what it allows.
PERMISSIONS = {
    "organizations:read": "See organizations.",
    "organizations:write": "Create organizations.",
    "tokens:read": "See API tokens: their names, roles and last use, never the token.",
    "tokens:write": "Create and revoke API tokens.",
    "services:read": "See the catalogue.",
    "services:write": "Register a service or a new version of its manifest.",
    "subscriptions:read": "See subscriptions.",
    "subscriptions:write": "Subscribe and renew.",
    "subscriptions:sweep": "Run the expiry sweep now.",
    "tenants:read": "See tenants and their history.",
    "tenants:write": "Deactivate and reactivate tenants, and take their set-up link.",
    "tenants:provision": "Ask for a pending or failed tenant to be provisioned.",
    "tenants:purge": "Purge a deactivated tenant's data.",
    "tenants:report": "Report a tenant's status, as its service does.",
    "operations:read": "See operations and their steps.",
    "usage:read": "See reported usage.",
    "usage:report": "Report usage, as a tenant's service does.",
}


class OrganizationKind(StrEnum):
    """What an organization is to the market."""

    OPERATOR = "operator"
    SCHOOL = "school"
    VENDOR = "vendor"


class Role(StrEnum):
    """A named set of permissions that a token carries."""

    OPERATOR = "operator"
    SCHOOL_MANAGER = "school_manager"
    VENDOR_DEVELOPER = "vendor_developer"
    SERVICE = "service"


#: What each role may do. A school manager, a vendor and a service are fenced: they see only what is theirs.
ROLES: dict[Role, frozenset[str]] = {
    Role.OPERATOR: frozenset(PERMISSIONS),
    Role.SCHOOL_MANAGER: frozenset(
        {
            "services:read",
            "subscriptions:read",
            "subscriptions:write",
            "tenants:read",
            "tenants:write",
            "tenants:provision",
            "tenants:purge",
            "operations:read",
            "usage:read",
        }
    ),
    Role.VENDOR_DEVELOPER: frozenset({"services:read", "services:write"}),
    Role.SERVICE: frozenset(
        {
            "services:read",
            "tenants:read",
            "tenants:provision",
            "tenants:report",
            "operations:read",
            "usage:read",
            "usage:report",
        }
    ),
}
