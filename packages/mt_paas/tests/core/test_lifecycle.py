from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from mt_paas.core.lifecycle import TRANSITIONS, TenantLifecycle, TenantStatus, check
from mt_paas.errors import IllegalTransition, ServiceFailed

S = TenantStatus


class MemoryStore:
    """A store that keeps its rows in a list, and can be slow or broken at one of its states."""

    def __init__(self, status: TenantStatus) -> None:
        self.status = status
        self.rows: list[tuple[str, str]] = []  # (what happened, why)
        self.broken_at: TenantStatus | None = None
        self.slow_at: TenantStatus | None = None
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        if to == self.slow_at:
            self.reached.set()
            await self.go_on.wait()
        if to == self.broken_at:
            raise ConnectionError("postgresql://owner:s3cret@db is away")
        check(self.status, to)
        self.status = to
        self.rows.append((to.value, reason))

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        self.rows.append((f"failed while {during}", reason))


STEPS: list[tuple[str, TenantStatus, TenantStatus, TenantStatus]] = [
    # name, before, done, where a failure leaves the tenant
    ("provisioning", S.PENDING, S.ACTIVE, S.FAILED),
    ("updating", S.ACTIVE, S.ACTIVE, S.ACTIVE),
    ("deactivating", S.ACTIVE, S.DEACTIVATED, S.DEACTIVATING),
    ("purging", S.DEACTIVATED, S.PURGED, S.PURGING),
]


def step_of(store: MemoryStore, name: str) -> Callable[..., AbstractAsyncContextManager[None]]:
    step: Callable[..., AbstractAsyncContextManager[None]] = getattr(TenantLifecycle(store), name)
    return step


class TestTable:
    def test_it_is_the_table_of_the_contract(self) -> None:
        contract = """
            pending: provisioning cancelled
            provisioning: active failed
            failed: provisioning cancelled
            active: suspended deactivating updating
            updating: active
            suspended: active deactivating
            deactivating: deactivated
            deactivated: provisioning purging
            purging: purged
            purged:
            cancelled:
        """
        lines = (line.strip().split(":") for line in contract.strip().splitlines())
        assert {status: set(after.split()) for status, after in lines} == {
            str(status): {str(to) for to in after} for status, after in TRANSITIONS.items()
        }

    def test_check_allows_the_table_and_nothing_else(self) -> None:
        refused = set()
        for current, wanted in itertools.product(S, S):
            try:
                check(current, wanted)
            except IllegalTransition:
                refused.add((current, wanted))
        assert refused == {pair for pair in itertools.product(S, S) if pair[1] not in TRANSITIONS[pair[0]]}

    def test_a_refusal_says_what_would_be_allowed(self) -> None:
        with pytest.raises(
            IllegalTransition, match=r"is active and can not become purged; .* suspended, updating, deac"
        ):
            check(S.ACTIVE, S.PURGED)

    def test_a_refusal_from_the_end_says_that_it_is_final(self) -> None:
        with pytest.raises(IllegalTransition, match="it is final"):
            check(S.PURGED, S.ACTIVE)


@pytest.mark.parametrize(("name", "before", "done", "left_in"), STEPS)
class TestSteps:
    async def test_leaving_normally_completes(
        self, name: str, before: TenantStatus, done: TenantStatus, left_in: TenantStatus
    ) -> None:
        store = MemoryStore(before)
        async with step_of(store, name)("hallym_univ", reason="subscribed"):
            assert store.status == name
        assert store.rows == [(name, "subscribed"), (done, "subscribed")]

    async def test_an_exception_is_recorded_with_its_reason_and_raised_again(
        self, name: str, before: TenantStatus, done: TenantStatus, left_in: TenantStatus
    ) -> None:
        store = MemoryStore(before)
        with pytest.raises(ServiceFailed):
            async with step_of(store, name)("hallym_univ"):
                raise ServiceFailed("503 from the service: disk full")
        assert store.status == left_in
        assert store.rows[-1] == (
            f"failed while {name}" if left_in == name else left_in,
            "503 from the service: disk full",
        )

    async def test_a_step_that_a_dead_process_left_is_taken_up(
        self, name: str, before: TenantStatus, done: TenantStatus, left_in: TenantStatus
    ) -> None:
        store = MemoryStore(TenantStatus(name))
        async with step_of(store, name)("hallym_univ", resume=True):
            pass
        assert store.rows == [(done, "")]

    async def test_it_is_not_entered_from_a_state_that_does_not_allow_it(
        self, name: str, before: TenantStatus, done: TenantStatus, left_in: TenantStatus
    ) -> None:
        store = MemoryStore(S.PURGED)
        with pytest.raises(IllegalTransition):
            async with step_of(store, name)("hallym_univ"):
                pytest.fail("the body ran")
        assert store.rows == []


class TestReasons:
    async def test_the_text_of_a_foreign_exception_is_not_recorded(self) -> None:
        store = MemoryStore(S.PENDING)
        with pytest.raises(ValueError, match="hunter2"):
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                raise ValueError("password=hunter2")
        assert store.rows[-1] == ("failed", "ValueError")

    async def test_a_reason_is_bounded(self) -> None:
        store = MemoryStore(S.PENDING)
        with pytest.raises(ServiceFailed):
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                raise ServiceFailed("x" * 10_000)
        assert len(store.rows[-1][1]) == 500


class TestFailureWhileRecording:
    async def test_the_first_exception_wins_and_notes_the_second(self, caplog: pytest.LogCaptureFixture) -> None:
        store = MemoryStore(S.PENDING)
        store.broken_at = S.FAILED
        with caplog.at_level(logging.ERROR), pytest.raises(ServiceFailed) as failure:
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                raise ServiceFailed("the service broke")
        assert failure.value.__notes__ == ["this failure of tenant hallym_univ could not be recorded: ConnectionError"]
        assert "hallym_univ failed while provisioning" in caplog.text
        assert "s3cret" not in caplog.text

    async def test_a_completion_that_is_not_recorded_is_an_error(self) -> None:
        store = MemoryStore(S.PENDING)
        store.broken_at = S.ACTIVE
        with pytest.raises(ConnectionError):
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                pass
        assert store.status == S.PROVISIONING


class TestCancellation:
    """A cancelled step is recorded to its end, and the cancellation goes on afterwards."""

    async def cancelled_at(self, store: MemoryStore, slow_at: TenantStatus, *, body_fails: bool = False) -> None:
        """Cancel a provisioning step, twice, while its store is in the transition to ``slow_at``."""
        store.slow_at = slow_at

        async def work() -> None:
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                if body_fails:
                    raise ServiceFailed("the service broke")

        task = asyncio.create_task(work())
        await store.reached.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        store.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_in_the_body_it_is_recorded(self) -> None:
        store = MemoryStore(S.PENDING)
        entered = asyncio.Event()

        async def work() -> None:
            async with TenantLifecycle(store).provisioning("hallym_univ"):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert store.rows[-1] == ("failed", "interrupted: the work was cancelled")

    async def test_while_entering_it_is_recorded_as_a_failure(self) -> None:
        store = MemoryStore(S.PENDING)
        await self.cancelled_at(store, S.PROVISIONING)
        assert [row[0] for row in store.rows] == ["provisioning", "failed"]

    async def test_while_entering_is_refused_it_still_ends_the_task(self) -> None:
        store = MemoryStore(S.PURGED)
        await self.cancelled_at(store, S.PROVISIONING)
        assert store.rows == []

    async def test_while_completing_the_completion_counts(self) -> None:
        store = MemoryStore(S.PENDING)
        await self.cancelled_at(store, S.ACTIVE)
        assert store.status == S.ACTIVE

    async def test_while_recording_a_failure_the_failure_is_still_recorded(self) -> None:
        store = MemoryStore(S.PENDING)
        await self.cancelled_at(store, S.FAILED, body_fails=True)
        assert store.rows[-1] == ("failed", "the service broke")

    async def test_a_deadline_of_the_caller_stays_a_timeout(self) -> None:
        store = MemoryStore(S.PENDING)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), TenantLifecycle(store).provisioning("hallym_univ"):
                await asyncio.Event().wait()
        assert store.rows[-1] == ("failed", "interrupted: the work was cancelled")
