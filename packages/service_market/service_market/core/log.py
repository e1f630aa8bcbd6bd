"""Structured logs: one JSON object a line, ids and figures only.

A field that is not on the allow-list is dropped before it is written: a body, a header or a key can not reach a log by
being passed to it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["ALLOWED_FIELDS", "configure", "get_logger"]

ALLOWED_FIELDS = frozenset(
    {
        "actor",
        "attempt",
        "code",
        "count",
        "database",
        "duration_ms",
        "error",
        "event",
        "exception",
        "host",
        "job",
        "kind",
        "level",
        "method",
        "module",
        "operation_id",
        "outcome",
        "pid",
        "port",
        "reason",
        "request_id",
        "route",
        "service_id",
        "state",
        "status",
        "step",
        "subscription_id",
        "tenant_id",
        "timestamp",
        "url",
    }
)


def _only_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in event.items() if name in ALLOWED_FIELDS}


def configure(level: str = "INFO") -> None:
    """Set structlog up for this process: JSON lines on standard error; other libraries speak from WARNING up."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that names its module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return logger
