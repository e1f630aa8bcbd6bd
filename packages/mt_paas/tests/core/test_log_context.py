from __future__ import annotations

import logging

import pytest
from mt_paas.core.context import tenant_bound
from mt_paas.core.log_context import TenantLogFilter, add_tenant_context
from mt_paas.standard_api.handler import CallContext, in_call


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def logger(lines):
    """A logger whose lines end in ``lines``, with their ids."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Keep()
    handler.addFilter(TenantLogFilter())
    handler.setFormatter(logging.Formatter("[%(tenant_id)s %(request_id)s] %(message)s"))
    logger = logging.getLogger("test_log_context")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


class TestFilter:
    def test_names_the_tenant_and_the_request(self, logger, lines):
        with tenant_bound("hallym_univ"), in_call(CallContext("request-7")):
            logger.warning("inside")
        logger.warning("outside")

        assert lines == ["[hallym_univ request-7] inside", "[- -] outside"]

    def test_leaves_what_was_named(self, logger, lines):
        with tenant_bound("hallym_univ"):
            logger.warning("about another", extra={"tenant_id": "snu_univ"})

        assert lines == ["[snu_univ -] about another"]


class TestStructlogProcessor:
    def test_adds_what_there_is(self):
        with tenant_bound("hallym_univ"):
            assert add_tenant_context(None, "info", {"event": "x"}) == {"event": "x", "tenant_id": "hallym_univ"}
        assert add_tenant_context(None, "info", {"event": "x"}) == {"event": "x"}

    def test_leaves_what_was_named(self):
        with tenant_bound("hallym_univ"), in_call(CallContext("request-7")):
            event = add_tenant_context(None, "info", {"tenant_id": "snu_univ"})

        assert event == {"tenant_id": "snu_univ", "request_id": "request-7"}
