"""The registry of a service: its tenants, their history, keys and usage, and the service's own identity.

Its tables are in the service's own database, all beginning with ``mt_``, in a metadata of their own: they mix with no
table of the service. Tenant data are never here. Rows do not leave :mod:`mt_paas.core`; others see
:class:`~mt_paas.core.schemas.Tenant`. A registry that an older version made is brought up to date at start.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    func,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mt_paas.core.lifecycle import TenantStatus

__all__ = [
    "CHANGES",
    "AccessKeyRow",
    "AnsweredCallRow",
    "Base",
    "CallbackRow",
    "MoveRow",
    "OperationRow",
    "ReceiptRow",
    "ServiceRow",
    "TenantRow",
    "TenantStatus",
    "TransitionRow",
    "UsageBatchRow",
    "UsageRow",
    "UtcDateTime",
    "make_tables",
]


class UtcDateTime(TypeDecorator[datetime]):
    """``timestamptz`` that comes back in UTC, whatever the time zone of the database session."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the same moment in UTC."""
        return value.astimezone(UTC) if value is not None else None


class StatusColumn(TypeDecorator[TenantStatus]):
    """A status as a word: a new one needs no migration of a type."""

    impl = String(20)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> TenantStatus | None:
        """Return the status that the word means."""
        return TenantStatus(value) if value is not None else None


class Base(DeclarativeBase):
    """The metadata of the registry: constraints have names, so that a later migration can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSONB, list[str]: JSONB}  # noqa: RUF012 - read once, by SQLAlchemy


class ServiceRow(Base):
    """The one row that says whose registry this is. ``secret`` is null where the setting gives it."""

    __tablename__ = "mt_service"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    registry_id: Mapped[UUID]
    service_id: Mapped[str] = mapped_column(String(63))
    secret: Mapped[str | None]
    secret_check: Mapped[str]
    created_at: Mapped[datetime]


class TenantRow(Base):
    """A tenant. A purged one stays as a tombstone without its personal data, so that its id is not given out again."""

    __tablename__ = "mt_tenant"
    __table_args__ = (
        Index("ix_mt_tenant_deactivate_at", "deactivate_at", postgresql_where=text("deactivate_at IS NOT NULL")),
        Index(
            "ix_mt_tenant_reactivation_deadline",
            "reactivation_deadline",
            postgresql_where=text("reactivation_deadline IS NOT NULL"),
        ),
        Index("ix_mt_tenant_admin_email", func.lower(text("admin_email"))),
        Index("ix_mt_tenant_revision", "revision"),
    )

    tenant_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str]
    service_type: Mapped[str]
    status: Mapped[TenantStatus] = mapped_column(StatusColumn(), index=True)
    plan: Mapped[str]
    features: Mapped[list[str]]
    config: Mapped[dict[str, Any]]
    admin_email: Mapped[str | None]
    admin_name: Mapped[str | None]
    isolation: Mapped[str]
    database: Mapped[str] = mapped_column(String(63), unique=True)
    fingerprint: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    created_at: Mapped[datetime]
    activation: Mapped[int] = mapped_column(default=0)
    activated_at: Mapped[datetime | None]
    deactivate_at: Mapped[datetime | None]
    deactivated_at: Mapped[datetime | None]
    data_preserved: Mapped[bool] = mapped_column(default=True)
    reactivation_deadline: Mapped[datetime | None]
    failure_reason: Mapped[str | None]
    rotation: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    rotated_at: Mapped[datetime | None]
    tables: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    revision: Mapped[str | None]
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - read once, by SQLAlchemy


class TransitionRow(Base):
    """One step of a tenant's life. Rows are added and never changed; they outlive the tenant's row."""

    __tablename__ = "mt_tenant_transition"
    __table_args__ = (Index("ix_mt_tenant_transition_tenant_id", "tenant_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    came_from: Mapped[TenantStatus | None] = mapped_column(StatusColumn())
    went_to: Mapped[TenantStatus] = mapped_column(StatusColumn())
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class AccessKeyRow(Base):
    """An access key of one tenant, as a digest. A set-up link gives one for each activation: so it works once.

    Others have no ``activation``. ``scopes`` is null for a key that may do all that its tenant may.
    """

    __tablename__ = "mt_access_key"
    __table_args__ = (UniqueConstraint("tenant_id", "activation"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"))
    activation: Mapped[int | None]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    scopes: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class CallbackRow(Base):
    """How the service reports back about a tenant: the newest that the market gave. In no ``repr`` and no log."""

    __tablename__ = "mt_callback"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"), primary_key=True)
    events_url: Mapped[str]
    token: Mapped[str]
    secret: Mapped[str]
    given_at: Mapped[datetime]


class ReceiptRow(Base):
    """What was deleted of a purged tenant, and when. Written with the purge, and never changed."""

    __tablename__ = "mt_receipt"

    tenant_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    receipt_id: Mapped[str] = mapped_column(String(40), unique=True)
    purged_at: Mapped[datetime]
    deleted: Mapped[list[str]]


class OperationRow(Base):
    """A call that was answered with 202. ``request`` is there while it is under way, to be taken up by whoever lives.

    ``lease_until`` is there while it is under way, and pushed on by the process that works on it: when it has passed,
    that process is gone. Of one tenant one lifecycle call and one export are under way at most.
    """

    __tablename__ = "mt_operation"
    __table_args__ = (
        Index("ix_mt_operation_tenant_id", "tenant_id", "created_at"),
        Index("ix_mt_operation_lease_until", "lease_until", postgresql_where=text("lease_until IS NOT NULL")),
        Index(
            "uq_mt_operation_under_way",
            "tenant_id",
            text("(kind = 'export')"),
            unique=True,
            postgresql_where=text("lease_until IS NOT NULL"),
        ),
    )

    operation_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    idempotency_key: Mapped[str | None]
    request: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=1)
    cancelled: Mapped[bool] = mapped_column(default=False)


class MoveRow(Base):
    """A tenant's move from one place to another: under way, or done and the old place still there until ``keep_until``.

    ``since`` is the oldest transaction of the source that may have changed rows after the first copy began.
    """

    __tablename__ = "mt_move"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"), primary_key=True)
    old_isolation: Mapped[str] = mapped_column(String(63))
    old_database: Mapped[str] = mapped_column(String(63))
    new_isolation: Mapped[str] = mapped_column(String(63))
    new_database: Mapped[str] = mapped_column(String(63))
    phase: Mapped[str] = mapped_column(String(20))
    since: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str]
    started_at: Mapped[datetime]
    keep_until: Mapped[datetime | None]


class AnsweredCallRow(Base):
    """A call that came with an ``Idempotency-Key`` and was done: the same key again is answered, and nothing is done.

    ``activation`` is the tenant's when the call was answered; ``answer`` is kept where that does not tell it all.
    """

    __tablename__ = "mt_answered_call"
    __table_args__ = (UniqueConstraint("tenant_id", "kind", "idempotency_key"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    idempotency_key: Mapped[str]
    activation: Mapped[int]
    answer: Mapped[dict[str, Any] | None]
    answered_at: Mapped[datetime]


class UsageRow(Base):
    """What a tenant used of one meter on one day of UTC: the sum of its counts, or the highest if it ``is_peak``."""

    __tablename__ = "mt_usage"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    meter: Mapped[str] = mapped_column(String(63), primary_key=True)
    is_peak: Mapped[bool] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]


class UsageBatchRow(Base):
    """A batch of counts that is in ``mt_usage``, and may come once more because whoever added it was cut off."""

    __tablename__ = "mt_usage_batch"

    batch_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    added_at: Mapped[datetime]


#: The channel on which a registry tells that a tenant or its keys were changed; the payload is the tenant's id.
CHANGES = "mt_paas_changes"

_TELLING = (
    f"""
    CREATE OR REPLACE FUNCTION mt_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('{CHANGES}', coalesce(NEW.tenant_id, OLD.tenant_id));
      RETURN NULL;
    END $$
    """,
    *(
        f"CREATE OR REPLACE TRIGGER mt_tell_change AFTER INSERT OR UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION mt_tell_change()"
        for table in (TenantRow.__tablename__, AccessKeyRow.__tablename__)
    ),
)

# What a registry lacks that was made before a table was thought of: what its other tables tell of it.
_FILLED = {
    AnsweredCallRow.__tablename__: """
        INSERT INTO mt_answered_call (tenant_id, kind, idempotency_key, activation, answered_at)
        SELECT tenant_id, 'activate', idempotency_key, activation, activated_at FROM mt_tenant
        WHERE idempotency_key IS NOT NULL AND activation > 0 AND status NOT IN ('provisioning', 'failed')
    """,
}

# What a registry lacks that was made before a column was thought of, by the table and column that show it.
_UPGRADES = {
    (TenantRow.__tablename__, "rotation"): (
        "ALTER TABLE mt_tenant ADD COLUMN rotation integer NOT NULL DEFAULT 0",
        "ALTER TABLE mt_tenant ADD COLUMN rotated_at timestamptz",
    ),
    (TenantRow.__tablename__, "tables"): (
        "ALTER TABLE mt_tenant ADD COLUMN tables integer NOT NULL DEFAULT 0",
        "CREATE INDEX ix_mt_tenant_admin_email ON mt_tenant (lower(admin_email))",
    ),
    (TenantRow.__tablename__, "revision"): (
        "ALTER TABLE mt_tenant ADD COLUMN revision varchar",
        "ALTER TABLE mt_tenant ADD COLUMN quarantined_at timestamptz",
        "ALTER TABLE mt_tenant ADD COLUMN quarantine_reason varchar",
        "CREATE INDEX ix_mt_tenant_revision ON mt_tenant (revision)",
    ),
    (AccessKeyRow.__tablename__, "name"): (
        "ALTER TABLE mt_access_key ADD COLUMN name varchar(200) NOT NULL DEFAULT ''",
        "ALTER TABLE mt_access_key ADD COLUMN scopes jsonb",
        "ALTER TABLE mt_access_key ADD COLUMN expires_at timestamptz",
        "ALTER TABLE mt_access_key ALTER COLUMN activation DROP NOT NULL",
    ),
}


def make_tables(connection: Connection) -> None:
    """Make the tables of the registry, or what is missing of them. All of it is one transaction of the caller's."""
    tables = inspect(connection).get_table_names()
    Base.metadata.create_all(connection)
    inspector = inspect(connection)
    there = {(table, column["name"]) for table, _ in _UPGRADES for column in inspector.get_columns(table)}
    missing = [statement for place, several in _UPGRADES.items() if place not in there for statement in several]
    missing += [statement for table, statement in _FILLED.items() if table not in tables]
    for statement in (*missing, *_TELLING):
        connection.exec_driver_sql(statement)
