"""The library's own tables in each tenant's database: its users, its settings, and who is logged in.

Their names begin with ``mt_``, which is reserved: a service whose tables would collide is told at start. They are part
of the template, so a new tenant has them at no cost; a tenant that is older than they are gets them when they are
first needed. They hold nothing of any other tenant, and are gone with the tenant's database.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from mt_paas.core.models import UtcDateTime
from mt_paas.errors import ConfigurationError

__all__ = ["PRIVATE", "TABLES", "TABLES_VERSION", "logins", "refuse_collisions", "sessions", "settings", "users"]

#: Counts up when the tables below change: a tenant's row in the registry says which version its database has.
TABLES_VERSION = 1

TABLES = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _new_user_id() -> str:
    return f"u_{secrets.token_hex(10)}"


users = Table(
    "mt_user",
    TABLES,
    Column("id", String(200), primary_key=True, default=_new_user_id),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_active_at", UtcDateTime),
    Index(None, "created_at", "id"),
)

settings = Table(
    "mt_settings",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("settings", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# A user may live in a table of the service's own, hence no foreign keys here.
logins = Table(
    "mt_login",
    TABLES,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(200), nullable=False, index=True),
    Column("return_to", Text),
    Column("expires_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "mt_session",
    TABLES,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(200), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

#: What is no data of the tenant's, and is left out of an export.
PRIVATE = frozenset({logins.name, sessions.name})


def refuse_collisions(metadata: MetaData) -> None:
    """Raise :class:`~mt_paas.errors.ConfigurationError` if the service has tables under names of the library's."""
    taken: Sequence[str] = sorted(
        table.name
        for table in metadata.tables.values()
        if table.name in TABLES.tables and table.schema in {None, "public"} and table.metadata is not TABLES
    )
    if taken:
        raise ConfigurationError(
            f"the service's metadata has the tables {', '.join(taken)}, which mt_paas makes in every tenant's "
            "database: give them other names, without mt_ at the beginning"
        )
