from __future__ import annotations

import asyncio

import pytest
from mt_paas.core.background import TenantWork
from mt_paas.core.context import current_tenant_id, tenant_bound
from mt_paas.errors import ServiceNotReady, TenantBlocked, TenantNotBound, TenantNotFound
from mt_paas.standard_api.handler import CallContext, call_context, in_call
from sqlalchemy import select

TENANT = "hallym_univ"


@pytest.fixture
async def tenant(tenants) -> str:
    await tenants.activate(TENANT)
    return TENANT


@pytest.fixture
async def work(manager):
    work = TenantWork(manager)
    async with work.running():
        yield work


class TestRunAs:
    async def test_binds_the_tenant_for_the_block_and_its_tasks(self, work, tenant):
        async def which() -> str | None:
            return current_tenant_id()

        async with work.run_as(tenant) as found:
            assert (found.tenant_id, current_tenant_id()) == (tenant, tenant)
            assert await asyncio.create_task(which()) == tenant
        assert current_tenant_id() is None

    async def test_unbinds_it_when_the_block_fails(self, work, tenant):
        with pytest.raises(ZeroDivisionError):
            async with work.run_as(tenant):
                raise ZeroDivisionError

        assert current_tenant_id() is None

    async def test_refuses_a_tenant_that_is_closed_or_unknown(self, work, manager, tenant):
        await manager.suspend_tenant(tenant, "unpaid")

        with pytest.raises(TenantBlocked):
            async with work.run_as(tenant):
                pass
        with pytest.raises(TenantNotFound):
            async with work.run_as("nobody_here"):
                pass

    async def test_gives_a_session_of_the_tenant(self, work, tenant, notes_table):
        async with work.run_as(tenant), work.session() as session:
            await session.execute(notes_table.insert().values(text="from a job"))
        async with work.run_as(tenant), work.session() as session:
            assert list(await session.scalars(select(notes_table.c.text))) == ["from a job"]

    async def test_there_is_no_session_of_nobody(self, work):
        with pytest.raises(TenantNotBound):
            async with work.session():
                pass


class TestBackground:
    async def test_goes_on_for_the_tenant_and_the_request_when_they_are_over(self, work, tenant):
        seen, go = [], asyncio.Event()

        async def note(word: str, *, number: int) -> None:
            await go.wait()
            seen.append((word, number, current_tenant_id(), call_context().request_id))

        with tenant_bound(tenant), in_call(CallContext("request-7")):
            work.start(note, "hello", number=3)
        go.set()
        await work.settle()

        assert seen == [("hello", 3, tenant, "request-7")]

    async def test_is_begun_by_any_thread(self, work, tenant):
        seen = []

        async def note() -> None:
            seen.append(current_tenant_id())

        with tenant_bound(tenant):
            await asyncio.to_thread(work.start, note)
        await asyncio.sleep(0)  # the loop takes what the thread handed over
        await work.settle()

        assert seen == [tenant]

    async def test_writes_with_a_session_of_its_own(self, work, tenant, tenants, notes_table):
        async def write() -> None:
            async with work.session() as session:
                await session.execute(notes_table.insert().values(text="later"))

        with tenant_bound(tenant):
            work.start(write)
        await work.settle()

        assert await tenants.read(tenant) == ["later"]

    async def test_refuses_the_session_of_the_request(self, work, manager, tenant):
        async def use(session: object) -> None:
            raise AssertionError

        async with manager.get_tenant_session(tenant) as session:
            with (
                tenant_bound(tenant),
                pytest.raises(TypeError, match="is given a session, which ends with its request"),
            ):
                work.start(use, session)
            with tenant_bound(tenant), pytest.raises(TypeError, match=r"let it open mt.session\(\)"):
                work.start(use, session=session)

    async def test_refuses_what_would_block(self, work, tenant):
        with tenant_bound(tenant), pytest.raises(TypeError, match="is no coroutine function"):
            work.start(print, "hello")

    async def test_refuses_to_work_for_nobody(self, work):
        async def note() -> None:
            raise AssertionError

        with pytest.raises(TenantNotBound):
            work.start(note)

    async def test_is_not_done_for_a_tenant_that_was_closed_meanwhile(self, work, manager, tenant, caplog):
        async def note() -> None:
            raise AssertionError

        await manager.deactivate_tenant(tenant)
        with tenant_bound(tenant), in_call(CallContext("request-7")):
            work.start(note)
        await work.settle()

        (record,) = caplog.records
        assert f"note for tenant {tenant} (request request-7) was not done" in record.message
        assert "is deactivated" in record.message

    async def test_that_fails_is_logged_with_its_ids_and_without_its_text(self, work, tenant, caplog):
        async def fail() -> None:
            raise ZeroDivisionError("a secret of somebody")

        with tenant_bound(tenant), in_call(CallContext("request-7")):
            work.start(fail)
        await work.settle()

        (record,) = caplog.records
        assert (
            f"fail for tenant {tenant} (request request-7) failed: ZeroDivisionError at {__file__}:" in record.message
        )
        assert "secret" not in caplog.text


class TestEnd:
    async def test_waits_for_what_goes_on(self, manager, tenant):
        done, go = [], asyncio.Event()

        async def note() -> None:
            await go.wait()
            done.append(current_tenant_id())

        work = TenantWork(manager)
        async with work.running():
            with tenant_bound(tenant):
                work.start(note)
            asyncio.get_running_loop().call_soon(go.set)

        assert done == [tenant]

    async def test_cuts_off_what_takes_too_long_and_says_so(self, manager, tenant, caplog):
        async def wait() -> None:
            await asyncio.Event().wait()

        work = TenantWork(manager, patience=0)
        async with work.running():
            with tenant_bound(tenant):
                work.start(wait)

        (record,) = caplog.records
        assert f"wait for tenant {tenant} (request -) was cut off: the service stopped" in record.message

    async def test_takes_nothing_more(self, manager, tenant):
        async def note() -> None:
            raise AssertionError

        work = TenantWork(manager)
        async with work.running():
            pass
        with tenant_bound(tenant), pytest.raises(ServiceNotReady):
            work.start(note)
