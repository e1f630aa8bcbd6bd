"""The steps of a tenant's life in the registry: one statement each, refused where the tenant was moved meanwhile."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace

import psycopg
import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import IllegalTransition
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import DeactivateReason, DeactivateRequest, SuspendRequest
from sqlalchemy import event
from sqlalchemy.engine import Engine

_counted: ContextVar[list[str]] = ContextVar("counted")


@pytest.fixture
def count():
    """Count the statements that a call sends, but not those that the service sends meanwhile of its own accord."""

    def see(_connection, _cursor, statement, *_rest):
        _counted.get([]).append(statement)

    async def of(call) -> int:
        token = _counted.set([])
        await call
        sent = _counted.get()
        _counted.reset(token)
        return len(sent)

    event.listen(Engine, "before_cursor_execute", see)
    yield of
    event.remove(Engine, "before_cursor_execute", see)


class TestStatements:
    """A lifecycle call takes a lock, reads once, writes each step at once, and lets go: its cost is round trips."""

    async def test_of_each_call_are_few(self, handler, activation, count):
        closing = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
        calls = {
            "activate": lambda: handler.activate_tenant(activation()),
            "suspend": lambda: handler.suspend_tenant("hallym_univ", SuspendRequest(reason="unpaid")),
            "resume": lambda: handler.resume_tenant("hallym_univ"),
            "deactivate": lambda: handler.deactivate_tenant("hallym_univ", closing),
            "reactivate": lambda: handler.activate_tenant(activation()),
            "deactivate again": lambda: handler.deactivate_tenant("hallym_univ", closing),
            "purge": lambda: handler.purge_tenant("hallym_univ"),
        }
        counts = {}
        for name, call in calls.items():
            with in_call(CallContext("a-request", idempotency_key=name)):
                counts[name] = await count(call())

        assert counts == {
            "activate": 9,
            "suspend": 6,
            "resume": 6,
            "deactivate": 7,
            "reactivate": 9,
            "deactivate again": 7,
            "purge": 15,
        }


class TestTransition:
    async def test_of_a_tenant_that_was_moved_meanwhile_begins_where_it_is(self, manager, tenants):
        await tenants.activate("hallym_univ")
        seen = await manager.get_tenant("hallym_univ")
        await manager.suspend_tenant("hallym_univ", "unpaid")

        closing = await manager._parts.registry.transition(
            seen, TenantStatus.DEACTIVATING, reason="unpaid", actor="service"
        )

        assert closing.status == "deactivating"
        assert (await manager.history("hallym_univ"))[-1].came_from == "suspended"

    async def test_that_is_refused_meanwhile_leaves_nothing(self, manager, tenants, registry_url):
        await tenants.activate("hallym_univ")
        seen = await manager.get_tenant("hallym_univ")
        before = await manager.history("hallym_univ")
        half_done = replace(seen, status=TenantStatus.PROVISIONING, idempotency_key="one")

        with pytest.raises(IllegalTransition):
            await manager._parts.registry.transition(half_done, TenantStatus.ACTIVE, reason="late", actor="service")

        assert await manager.history("hallym_univ") == before
        with psycopg.connect(registry_url) as connection:
            assert connection.execute("SELECT * FROM mt_answered_call").fetchall() == []
