"""A service whose tables are made by three migrations, released one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.migrations.fleet import FleetPlan, migrate_fleet
from mt_paas.core.migrations.report import FleetReport
from mt_paas.core.migrations.scripts import Request

ENV = """
from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""

HEAD = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = {revision!r}, {down!r}
"""

SCRIPTS = {
    "one": """
def upgrade():
    op.create_table("kind", sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True), sa.Column("name", sa.Text))
    op.create_table(
        "note",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("text", sa.Text),
        sa.Column("kind_id", sa.BigInteger, sa.ForeignKey("kind.id", name="fk_note_kind")),
    )


def downgrade():
    op.drop_table("note")
    op.drop_table("kind")
""",
    "two": """
def upgrade():
    op.add_column("note", sa.Column("length", sa.Integer))
    op.execute("UPDATE note SET length = length(text)")
    op.create_index("ix_note_length", "note", ["length"])


def downgrade():
    op.drop_column("note", "length")
""",
    "three": """
def upgrade():
    op.create_unique_constraint("uq_note_text", "note", ["text"])


def downgrade():
    op.drop_constraint("uq_note_text", "note")
""",
}


class Scripts:
    """The folder of the service's migrations, to which releases add."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        self.write_env(ENV)
        self.released: list[str] = []

    def write_env(self, text: str) -> None:
        (self.folder / "env.py").write_text(text, encoding="utf-8")

    def release(self, *revisions: str, **others: str) -> None:
        """Add revisions of ``SCRIPTS``, then others by their text."""
        for revision, text in {**{name: SCRIPTS[name] for name in revisions}, **others}.items():
            head = HEAD.format(revision=revision, down=self.released[-1] if self.released else None)
            (self.folder / "versions" / f"{revision}.py").write_text(head + text, encoding="utf-8")
            self.released.append(revision)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    scripts = Scripts(tmp_path / "migrations")
    scripts.release("one")
    return scripts


@pytest.fixture
def registry_url(empty_registry_url) -> str:
    """A registry of the test's own, with its own template and its own shared database."""
    return empty_registry_url


@pytest.fixture
def release(
    new_manager: Callable[..., TenantManager], scripts: Scripts, containers: Any
) -> Callable[..., TenantManager]:
    """Make the manager of the service as it is now, with its migrations: each is what a process would have."""

    def make(kind: str = "SCHEMA_PER_TENANT", **options: Any) -> TenantManager:
        spares = options.pop("spares", 0)
        plan = IsolationPlan(default=kind, supported=(kind,), spares=spares, container_database=containers.locate)
        return new_manager(**{"metadata": None, "migrations": scripts.folder, "isolation": plan} | options)

    return make


@pytest.fixture
def migrate() -> Callable[..., Any]:
    """Run over all tenants."""

    async def run(manager: TenantManager, *, to: str | None = None, **plan: Any) -> FleetReport:
        names = {"downgrade", "baseline", "lock_timeout"} & plan.keys()
        request = Request(to=to, **{name: plan.pop(name) for name in names})
        return await migrate_fleet(manager, FleetPlan(request=request, **plan))

    return run
