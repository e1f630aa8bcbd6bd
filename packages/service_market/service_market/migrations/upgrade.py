"""Brings a management database to the head of its schema, from nothing or from any version before.

Several processes may do it at once: an advisory lock lets one work, and the others find it done.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine, inspect, text

from service_market.assembly import Addresses

__all__ = ["alembic_config", "upgrade"]

_LOCK = 0x6D745F706161735F  # "mt_paas_", as the advisory lock's number


def alembic_config() -> Config:
    """Return Alembic's configuration."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(addresses: Addresses) -> tuple[str | None, str | None]:
    """Bring the database to the head; return the revision before and after. Blocks: call it from a thread."""
    config = alembic_config()
    head = ScriptDirectory.from_config(config).get_current_head()
    engine = create_engine(addresses.sqlalchemy)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            before = MigrationContext.configure(connection).get_current_revision()
            if before != head:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            if not inspect(connection).has_table("procrastinate_jobs"):
                connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    finally:
        engine.dispose()
    return before, head
