"""Call-backs of tenants, and the events that services send to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "tenant_callback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("sealed_callback", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_tenant_callback_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_callback"),
        sa.UniqueConstraint("operation_id", name="uq_tenant_callback_operation_id"),
        sa.UniqueConstraint("token_digest", name="uq_tenant_callback_token_digest"),
    )
    op.create_index("ix_tenant_callback_tenant_pk", "tenant_callback", ["tenant_pk"], unique=False)
    op.create_table(
        "reported_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_reported_event_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_reported_event"),
        sa.UniqueConstraint("tenant_pk", "event_id", name="uq_reported_event_tenant_pk_event_id"),
    )
    op.create_index("ix_reported_event_tenant_pk", "reported_event", ["tenant_pk", "id"], unique=False)
    op.create_index("ix_reported_event_received_at", "reported_event", ["received_at"], unique=False)
    op.add_column("usage_record", sa.Column("as_of", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE usage_record SET as_of = received_at")
    op.alter_column("usage_record", "as_of", nullable=False)


def downgrade() -> None:
    op.drop_column("usage_record", "as_of")
    op.drop_index("ix_reported_event_received_at", table_name="reported_event")
    op.drop_index("ix_reported_event_tenant_pk", table_name="reported_event")
    op.drop_table("reported_event")
    op.drop_index("ix_tenant_callback_tenant_pk", table_name="tenant_callback")
    op.drop_table("tenant_callback")
