"""How the administrator of a new tenant gets in: a link that works once, and the access key that it gives.

The link's token is derived from the service's secret, the tenant and the number of its activation (and of the
replacement of its credentials, once there was one). So the same activation has the same link each time it is asked
for, nothing about it is stored, and a reactivation or a replacement ends the old link. Redeeming it makes the tenant's
access key, which is shown once and kept as a digest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from mt_paas.core.access_keys import KEY_PREFIX
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.errors import LinkExpired, TenantNotFound
from mt_paas.standard_api.models import AdminCredentials
from mt_paas.utils.security import derive_token, digest_token, equal, mint_token

__all__ = ["SetupLinks"]

SETUP_PATH = "/access/setup"


class SetupLinks:
    """The set-up links of a service that is reached at ``base_url``, each good for ``lifetime`` and for one use."""

    def __init__(self, manager: TenantManager, base_url: str, lifetime: timedelta) -> None:
        self._manager = manager
        self._base_url = str(base_url).rstrip("/")
        self._lifetime = lifetime

    def issue(self, tenant: Tenant) -> AdminCredentials:
        """Return the link of the tenant's present activation, used or not."""
        query = urlencode({"tenant_id": tenant.tenant_id, "token": self._token(tenant)})
        return AdminCredentials(setup_url=f"{self._base_url}{SETUP_PATH}?{query}", expires_at=self._end(tenant))

    async def check(self, tenant_id: str, token: str) -> Tenant:
        """Return the tenant that the link is for. Raises :class:`~mt_paas.errors.LinkExpired` for any other link.

        Whether the link was used shows when it is redeemed: looking at it uses nothing up.
        """
        try:
            tenant = await self._manager.get_tenant(tenant_id)
        except TenantNotFound:
            raise LinkExpired from None  # the same answer as for a wrong token: the link tells nobody who is a tenant
        now = self._manager.clock()
        if not tenant.activation or not equal(token, self._token(tenant)) or self._end(tenant) <= now:
            raise LinkExpired
        tenant.require_open(now)
        return tenant

    async def redeem(self, tenant_id: str, token: str) -> str:
        """Use the link up and return the tenant's new access key. Raises :class:`~mt_paas.errors.LinkExpired`."""
        tenant = await self.check(tenant_id, token)
        key = mint_token(KEY_PREFIX)
        await self._manager.add_access_key(tenant, digest_token(key))
        return key

    def _token(self, tenant: Tenant) -> str:
        secret = self._manager.identity.secret
        generation = [str(tenant.activation), *([str(tenant.rotation)] if tenant.rotation else [])]
        return derive_token(secret, "setup-link", tenant.tenant_id, *generation)

    def _end(self, tenant: Tenant) -> datetime:
        begun = (tenant.created_at, tenant.activated_at, tenant.rotated_at)
        return max(moment for moment in begun if moment is not None) + self._lifetime
