""":class:`Migrations`: the Alembic scripts of a service, run in the transaction of one tenant.

The service's folder is an ordinary one of Alembic (``env.py``, ``versions/``); its ``env.py`` takes the connection from
``config.attributes["connection"]``, as Alembic's documentation shows for connections that are shared, and may be left
out. All migrations of a tenant are one transaction, so that it is at one revision or the other and never in between.
The table ``alembic_version`` is among the tenant's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

from mt_paas.errors import ConfigurationError, MissingExtraError

try:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError, to_tuple
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.core.migrations", "migrations") from error

from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.migrations.apart import Apart

__all__ = ["Migrations", "Prepare", "Request", "Step"]

#: Makes Alembic's context ready for a place that is not the tenant's alone.
Prepare = Callable[[MigrationContext], None]
_Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[Any]]

_RECIPE = 'connection = context.config.attributes["connection"]; context.configure(connection=connection, …)'


@dataclass(frozen=True, slots=True)
class Request:
    """What is to become of tables: the revision ``to``, without one the head.

    ``baseline`` is the revision of tables that Alembic has never seen. Older revisions than the one there is are
    refused without ``downgrade``; with ``only_forward`` they are left as they are. A statement waits ``lock_timeout``
    seconds for whoever is at work on its table, lest all others wait behind it.
    """

    to: str | None = None
    baseline: str | None = None
    downgrade: bool = False
    only_forward: bool = False
    lock_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """What was done: the revision before, null for none, and the one that is there now."""

    before: str | None
    after: str | None


class Migrations:
    """The scripts in ``folder``. They are read when they are first asked for, and once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _scripts(self) -> ScriptDirectory:
        if not (self.folder / "versions").is_dir():
            raise ConfigurationError(
                f"{self.folder} is no folder of Alembic's migrations: it has no versions/ (alembic init makes one)"
            )
        return ScriptDirectory.from_config(self._config())

    @cached_property
    def head(self) -> str:
        """The newest revision. Raises :class:`~mt_paas.errors.ConfigurationError` where there is none, or several."""
        heads = self._scripts.get_heads()
        if len(heads) != 1:
            told = f"several heads, {', '.join(heads)}: alembic merge joins them" if heads else "no revision yet"
            raise ConfigurationError(f"the migrations in {self.folder} have {told}")
        return heads[0]

    def resolve(self, revision: str | None) -> str:
        """Return the id of ``revision``, which may be shortened; without one the head.

        Raises :class:`~mt_paas.errors.ConfigurationError` for one that is not there.
        """
        if revision is None or revision in {"head", "heads"}:
            return self.head
        try:
            script = self._scripts.get_revision(revision)
        except CommandError as error:
            raise ConfigurationError(f"{error} in {self.folder}") from None
        if script is None:
            raise ConfigurationError(f"{revision} is no revision of the migrations in {self.folder}")
        return script.revision

    def knows(self, revision: str | None) -> bool:
        """Tell whether tables at ``revision`` can be brought to another one; null is no revision yet."""
        return revision is None or revision in self._ages

    def is_behind(self, revision: str | None, to: str | None = None) -> bool:
        """Tell whether ``revision`` comes before ``to``, without which it is the head."""
        return revision is None or revision in self._ancestors(to or self.head)

    @cached_property
    def _ages(self) -> dict[str, frozenset[str]]:
        """Every revision, with all that come before it."""
        ages: dict[str, frozenset[str]] = {}
        for script in reversed(list(self._scripts.walk_revisions())):
            parents = to_tuple(script.down_revision, default=())
            ages[script.revision] = frozenset(parents).union(*(ages[parent] for parent in parents))
        return ages

    def _ancestors(self, revision: str) -> frozenset[str]:
        return self._ages.get(revision, frozenset())

    async def look(self, connection: AsyncConnection) -> str | None:
        """Return the revision of the tables at ``connection``, null for none; nothing is changed."""

        def nothing(_heads: tuple[str, ...], _context: MigrationContext) -> Iterable[Any]:
            return ()

        return await self._on(connection, nothing, dont_mutate=True)

    async def migrate(self, connection: AsyncConnection, request: Request, prepare: Prepare | None = None) -> Step:
        """Bring the tables at ``connection``, within its transaction, to the revision that is asked for.

        Raises :class:`~mt_paas.errors.ConfigurationError` where that can not be, and whatever a script raises.
        """
        target = self.resolve(request.to)
        found: list[str | None] = []

        def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterable[Any]:
            found.append(_one(heads))
            return self._way(found[0], target, request)

        after = await self._on(connection, steps, prepare, destination_rev=target)
        return Step(found[0], after)

    async def statements(self, connection: AsyncConnection) -> str:
        """Return the text of SQL that makes the head's tables in an empty place; ``connection`` is not written to.

        It is what ``alembic upgrade head --sql`` prints. Scripts that read from the database have no such text, and
        raise what they raise.
        """
        text = StringIO()

        def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterable[Any]:
            context.impl.literal_binds = True
            return self._upgrade(None, self.head)

        await self._on(
            connection, steps, as_sql=True, destination_rev=self.head, output_buffer=text, transactional_ddl=False
        )
        return text.getvalue()

    def _way(self, before: str | None, target: str, request: Request) -> Iterable[Any]:
        """Return the steps from one revision to the other."""
        if before is None and request.baseline is not None:
            baseline = self.resolve(request.baseline)
            stamps = self._scripts._stamp_revs(baseline, ())  # noqa: SLF001 - as Alembic's own commands do
            return [*stamps, *self._way(baseline, target, request)]
        if before == target:
            return ()
        if request.only_forward and not (self.knows(before) and self.is_behind(before, target)):
            return ()
        if not self.knows(before):
            raise ConfigurationError(
                f"the tables are at revision {before}, which the migrations in {self.folder} do not have"
            )
        if self.is_behind(before, target):
            return self._upgrade(before, target)
        if not request.downgrade:
            raise ConfigurationError(
                f"the tables are at revision {before}, beyond {target}, and a downgrade was not asked for"
            )
        return self._scripts._downgrade_revs(target, before)  # noqa: SLF001 - as Alembic's own commands do

    def _upgrade(self, before: str | None, target: str) -> Iterable[Any]:
        return self._scripts._upgrade_revs(target, before)  # type: ignore[arg-type]  # noqa: SLF001 - as the documentation of EnvironmentContext does, where null is the base

    async def _on(
        self, connection: AsyncConnection, steps: _Steps, prepare: Prepare | None = None, **options: Any
    ) -> str | None:
        if not options.get("as_sql"):  # or Alembic looks for its table in all schemas, of which there may be thousands
            options["version_table_schema"] = await connection.scalar(select(func.current_schema()))
        return await Apart(connection.run_sync(lambda given: self._run(given, steps, prepare, **options)))

    def _run(self, connection: Connection, steps: _Steps, prepare: Prepare | None, **options: Any) -> str | None:
        """Run the service's ``env.py`` with ``steps`` for what is to be done; return the revision after it."""
        has_run = False

        def checked(heads: Any, context: MigrationContext) -> Iterable[Any]:
            nonlocal has_run
            self._require(context, connection)
            has_run = True
            context.autocommit_block = _no_autocommit  # type: ignore[method-assign, assignment]  # it never returns
            if prepare is not None:
                prepare(context)
            return steps(tuple(heads or ()), context)

        config = self._config()
        config.attributes["connection"] = connection
        with EnvironmentContext(config, self._scripts, fn=checked, **options) as environment:
            if (self.folder / "env.py").exists():
                try:
                    self._scripts.run_env()
                except Exception:
                    context = environment._migration_context  # noqa: SLF001 - get_context raises where there is none
                    if context is not None:
                        self._require(context, connection)  # whatever was found missing elsewhere
                    raise
            else:
                environment.configure(connection=connection)
                with environment.begin_transaction():
                    environment.run_migrations()
            if not has_run:
                raise ConfigurationError(f"{self.folder / 'env.py'} runs no migrations; it must use {_RECIPE}")
            return _one(environment.get_context().get_current_heads())

    def _require(self, context: MigrationContext, connection: Connection) -> None:
        """Raise where the service's ``env.py`` has given Alembic another connection."""
        if context.connection is not connection and not context.as_sql:
            raise ConfigurationError(f"{self.folder / 'env.py'} connects by itself; it must use {_RECIPE}") from None

    def _config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.folder.absolute()).replace("%", "%%"))
        return config


def _one(heads: tuple[str, ...]) -> str | None:
    if len(heads) > 1:
        raise ConfigurationError(
            f"the tables are at several revisions, {', '.join(heads)}: join them with alembic merge"
        )
    return heads[0] if heads else None


def _no_autocommit() -> AbstractContextManager[NoReturn]:
    raise ConfigurationError(
        "the migration uses autocommit_block, and a tenant's migrations are one transaction, all or none of them: do "
        "without it (CREATE INDEX without CONCURRENTLY; a tenant's tables are small)"
    )
