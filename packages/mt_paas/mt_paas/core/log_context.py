"""Ids for logs: whose work a line is about, and which request it belongs to.

With the standard library::

    handler.addFilter(TenantLogFilter())
    handler.setFormatter(logging.Formatter("%(levelname)s [%(tenant_id)s %(request_id)s] %(message)s"))

With structlog: ``structlog.configure(processors=[add_tenant_context, …])``.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from mt_paas.core.context import current_tenant_id
from mt_paas.standard_api.handler import call_context

__all__ = ["TenantLogFilter", "add_tenant_context"]

_NONE = "-"


class TenantLogFilter(logging.Filter):
    """Puts ``tenant_id`` and ``request_id`` on every record; ``-`` where there is none. It drops nothing.

    Add it to handlers: a filter of a logger does not see what comes from loggers below it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Name the tenant and the request, unless whoever logs has."""
        for name, value in _ids().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def add_tenant_context(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the event of structlog with ``tenant_id`` and ``request_id``, unless whoever logs has named them."""
    for name, value in _ids().items():
        if value != _NONE:
            event.setdefault(name, value)
    return event


def _ids() -> dict[str, str]:
    return {"tenant_id": current_tenant_id() or _NONE, "request_id": call_context().request_id}
