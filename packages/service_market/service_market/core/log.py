"""Structured logs: one JSON object a line, ids and figures only.

A field that is not on the allow-list is dropped before it is written: a body, a header or a key can not reach a log by
being passed to it. Of an exception its type and its places are written, never its text; and so it is with what other
libraries say.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import ExcInfo

from service_market.core.traces import places

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


def _without_text(exc_info: ExcInfo) -> str:
    kind, error, _ = exc_info
    return f"{kind.__name__}: {places(error)}"


class _OfOthers(logging.Formatter):
    """The records of other libraries, as lines like our own.

    Only the first line of what they say is kept: asyncio describes a task, with its exception, from the second on.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "event": _sentence(record).partition("\n")[0],
            "level": record.levelname.lower(),
            "module": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = _without_text(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _sentence(record: logging.LogRecord) -> str:
    said, given = str(_named(record.msg)), record.args
    if not given:
        return said
    if isinstance(given, Mapping):
        return said % {name: _named(value) for name, value in given.items()}
    return said % tuple(_named(value) for value in given)


def _named(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def configure(level: str = "INFO") -> None:
    """Set the logs up for this process: JSON lines on standard error; other libraries speak from WARNING up."""
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(_OfOthers())
    logging.basicConfig(handlers=[others], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a line that can not be written is not printed with all that went into it
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_without_text),
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
