"""Whose work is going on: the tenant that the code which runs now works for, in a context variable.

The tenant middleware binds it for one request; a job or a script binds it for its own work. What must not mix tenants
up and is given none (a log filter, the key of a cache) reads it here. Tasks that are started meanwhile inherit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["bind_tenant", "current_tenant_id", "tenant_bound", "unbind_tenant"]

_tenant_id: ContextVar[str | None] = ContextVar("mt_paas_tenant_id", default=None)
#: Bind the running context to a tenant, or to none, and return what ``unbind_tenant`` takes to restore what was bound.
bind_tenant = _tenant_id.set
unbind_tenant = _tenant_id.reset


def current_tenant_id() -> str | None:
    """Return the id of the tenant for whom the running code works; null where it works for none."""
    return _tenant_id.get()


@contextmanager
def tenant_bound(tenant_id: str | None) -> Iterator[None]:
    """Bind the tenant for a block, and restore what was bound before when it ends, however it ends."""
    token = bind_tenant(tenant_id)
    try:
        yield
    finally:
        unbind_tenant(token)
