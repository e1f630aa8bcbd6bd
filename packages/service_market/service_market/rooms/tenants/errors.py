"""What can go wrong with tenants."""

from __future__ import annotations

from service_market.core.errors import Conflict, Gone, NotFound

__all__ = ["SetupLinkTaken", "TenantIdTaken", "TenantNotFound"]


class TenantNotFound(NotFound):
    """There is no such tenant."""

    code = "tenant_not_found"


class TenantIdTaken(Conflict):
    """This tenant id is in use, or was; ids are not given out twice."""

    code = "tenant_id_taken"


class SetupLinkTaken(Gone):
    """The set-up link was taken, has expired, or the service sent none."""

    code = "setup_link_taken"
