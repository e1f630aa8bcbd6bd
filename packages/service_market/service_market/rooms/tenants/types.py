"""States of a tenant: shared with services, by :mod:`mt_paas.core.lifecycle`."""

from __future__ import annotations

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.standard_api.models import TENANT_ID_PATTERN

__all__ = ["TENANT_ID_PATTERN", "TenantStatus"]
