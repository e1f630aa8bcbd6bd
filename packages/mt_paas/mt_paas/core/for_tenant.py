"""Which tenant a call is for: the one that it names, or the one that the running code works for."""

from __future__ import annotations

import re
from functools import lru_cache

from mt_paas.core.context import current_tenant_id
from mt_paas.errors import InvalidTenantId, TenantNotBound
from mt_paas.standard_api.models import TENANT_ID_PATTERN

__all__ = ["require_tenant_id", "tenant_id_or_bound"]


def tenant_id_or_bound(named: str | None) -> str:
    """Return ``named``, or without it the tenant that is bound.

    Raises :class:`~mt_paas.errors.TenantNotBound`, and :class:`~mt_paas.errors.InvalidTenantId` for what is no id.
    """
    tenant_id = named if named is not None else current_tenant_id()
    if tenant_id is None:
        raise TenantNotBound
    require_tenant_id(tenant_id)
    return tenant_id


@lru_cache(maxsize=16384)
def require_tenant_id(tenant_id: str) -> None:
    """Raise :class:`~mt_paas.errors.InvalidTenantId` unless it is one."""
    if not re.fullmatch(TENANT_ID_PATTERN, tenant_id):
        raise InvalidTenantId
