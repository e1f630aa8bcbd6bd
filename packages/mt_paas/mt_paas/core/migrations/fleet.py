"""All tenants of a service, brought to one revision: several at a time, each by itself, with one report.

The registry knows where each tenant is, so that those who are there already are not opened. A tenant's revision is
written down after its own transaction was committed: whatever kills the run, the next one goes on from there, and finds
what was committed and not written down by looking. A tenant whose migration fails is quarantined and the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter

from mt_paas.core.manager import TenantManager
from mt_paas.core.migrations.one import SHARED, is_of_the_tenant, is_there_already, migrate_shared, words_of
from mt_paas.core.migrations.report import FleetReport, Outcome, Result
from mt_paas.core.migrations.scripts import Migrations, Request
from mt_paas.core.migrations.store import Candidate, RevisionStore
from mt_paas.errors import ConfigurationError, OperationInProgress, ServiceNotReady

__all__ = ["FleetPlan", "migrate_fleet"]

_PAGE = 500
_BASELINE = "; no migration made the tables that are there: name the revision that they are at (--baseline)"
_ROUNDS = 3  # the first, and two for who was held, or came meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What is asked of a run over all tenants: ``request`` of each of them, ``jobs`` at a time.

    ``retry`` tries those in quarantine too; ``verify`` looks into each tenant, whatever the registry says; ``dry_run``
    changes nothing. After ``max_failures`` no further tenant is begun; without a number the run goes on to its end.
    """

    request: Request = field(default_factory=Request)
    jobs: int = 4
    retry: bool = False
    verify: bool = False
    dry_run: bool = False
    max_failures: int | None = None


async def migrate_fleet(
    manager: TenantManager, plan: FleetPlan, tell: Callable[[Outcome], None] | None = None
) -> FleetReport:
    """Bring all tenants of ``manager``, which has started, to the revision that is asked for; ``tell`` hears of each.

    Raises :class:`~mt_paas.errors.ConfigurationError` before anything is done where the service has no migrations, or
    tenants are at revisions that its scripts do not know, or beyond the one that is asked for.
    """
    migrations = manager.blueprint.migrations
    if migrations is None:
        raise ConfigurationError(
            "this service has no migrations: give setup_multi_tenant(…, migrations=…) their folder, or MT_MIGRATIONS"
        )
    return await _Run(manager, migrations, plan, tell).run()


class _Run:
    def __init__(
        self,
        manager: TenantManager,
        migrations: Migrations,
        plan: FleetPlan,
        tell: Callable[[Outcome], None] | None,
    ) -> None:
        self._manager = manager
        self._migrations = migrations
        self._plan = plan
        self._tell = tell
        self._store = manager.store(RevisionStore)
        self._target = migrations.resolve(plan.request.to)
        self._outcomes: dict[str | None, Outcome] = {}
        self._failures = 0

    async def run(self) -> FleetReport:
        started = perf_counter()
        skipped = await self._survey()
        await self._do_shared()
        for _ in range(_ROUNDS):
            if not await self._round():
                break
        return FleetReport(
            target=self._target,
            skipped=0 if self._plan.verify else skipped,
            outcomes=tuple(self._outcomes.values()),
            seconds=perf_counter() - started,
            is_dry=self._plan.dry_run,
            is_complete=not self._is_stopped,
        )

    async def _survey(self) -> int:
        """Return how many tenants are where they should be. Raises where some can not be brought there."""
        standings = await self._store.standings()
        for each in standings:
            if not self._migrations.knows(each.revision):
                raise ConfigurationError(
                    f"{each.count} tenants are at revision {each.revision}, which the migrations in "
                    f"{self._migrations.folder} do not have: is this an older version of the service?"
                )
            beyond = each.revision != self._target and not self._migrations.is_behind(each.revision, self._target)
            if beyond and not self._plan.request.downgrade:
                raise ConfigurationError(
                    f"{each.count} tenants are at revision {each.revision}, beyond {self._target}: a downgrade "
                    "has to be asked for (--downgrade), and loses what the newer tables hold"
                )
        return sum(each.count for each in standings if each.revision == self._target and not each.is_quarantined)

    async def _do_shared(self) -> None:
        """Migrate what tenants share, once for all of them. None is quarantined for it: nothing has changed then."""
        try:
            step = await migrate_shared(
                self._manager.isolation, self._migrations, self._plan.request, dry_run=self._plan.dry_run
            )
        except Exception as error:  # noqa: BLE001 - scripts may raise anything, and the others are to go on
            self._note(Outcome(None, Result.FAILED, reason=words_of(error)))
            return
        if step is None:
            return
        if self._plan.dry_run:
            if step.before != self._target:
                self._note(Outcome(None, Result.BEHIND, step.before, self._target))
            return
        await self._store.reached_together(SHARED, step.after)
        if step.before != step.after:
            self._note(Outcome(None, Result.MIGRATED, step.before, step.after))

    async def _round(self) -> bool:
        """Take every tenant that is to be taken, and tell whether there was one."""
        after, found_some = "", False
        while page := await self._store.behind(self._target, after, _PAGE, everyone=self._plan.verify):
            after = page[-1].tenant_id
            wanted = [each for each in page if self._is_wanted(each)]
            found_some = found_some or bool(wanted)
            queue = iter(wanted)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._plan.jobs, len(wanted))):
                        group.create_task(self._work(queue))
            except* ServiceNotReady as away:
                raise away.exceptions[0] from None
        return found_some and not self._plan.dry_run

    def _is_wanted(self, candidate: Candidate) -> bool:
        if candidate.isolation == SHARED:
            return False
        known = self._outcomes.get(candidate.tenant_id)
        return known is None or known.result is Result.HELD

    async def _work(self, queue: Iterator[Candidate]) -> None:
        for candidate in queue:
            if self._is_stopped:
                return
            self._note(await self._one(candidate))

    async def _one(self, candidate: Candidate) -> Outcome:
        tenant_id, before = candidate.tenant_id, candidate.revision
        if candidate.quarantine_reason is not None and not self._plan.retry:
            return Outcome(tenant_id, Result.QUARANTINED, before, before, candidate.quarantine_reason, True)  # noqa: FBT003 - as the field is called
        if self._plan.dry_run:
            return Outcome(tenant_id, Result.BEHIND, before, self._target)
        try:
            async with self._manager.operation(tenant_id, actor="migration") as operation:
                step = await operation.migrate(self._plan.request)
        except OperationInProgress:
            return Outcome(tenant_id, Result.HELD, before, before, "another operation holds it")
        except Exception as error:  # noqa: BLE001 - scripts may raise anything, and the others are to go on
            return await self._failed(candidate, error)
        result = Result.CURRENT if step.before == step.after else Result.MIGRATED
        return Outcome(tenant_id, result, step.before, step.after)

    async def _failed(self, candidate: Candidate, error: Exception) -> Outcome:
        if isinstance(error, ServiceNotReady):
            await self._manager.check_database()  # without the registry there is nothing to go on with
        reason, quarantined = words_of(error), is_of_the_tenant(error)
        if candidate.revision is None and self._plan.request.baseline is None and is_there_already(error):
            reason += _BASELINE
        if quarantined:
            quarantined = await self._store.quarantine(candidate.tenant_id, reason, found_at=candidate.revision)
        return Outcome(candidate.tenant_id, Result.FAILED, candidate.revision, candidate.revision, reason, quarantined)

    def _note(self, outcome: Outcome) -> None:
        self._outcomes[outcome.tenant_id] = outcome
        self._failures += outcome.result is Result.FAILED
        if self._tell is not None:
            self._tell(outcome)

    @property
    def _is_stopped(self) -> bool:
        return self._plan.max_failures is not None and self._failures >= self._plan.max_failures
