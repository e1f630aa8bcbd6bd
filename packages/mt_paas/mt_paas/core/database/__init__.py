"""How tenants are kept apart: isolation strategies, their databases and roles, and the pools that reach them."""

from __future__ import annotations

from mt_paas.core.database.isolation import Isolation
from mt_paas.core.database.per_database import DatabasePerTenant

__all__ = ["DatabasePerTenant", "Isolation"]
