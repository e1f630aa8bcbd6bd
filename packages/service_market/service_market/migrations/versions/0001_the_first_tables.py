"""The first tables: organizations and tokens, catalogue, tenants, subscriptions, operations, usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_record",
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency_record"),
    )
    op.create_index("ix_idempotency_record_created_at", "idempotency_record", ["created_at"], unique=False)
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organization"),
        sa.UniqueConstraint("slug", name="uq_organization_slug"),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=True),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_api_token_organization_id_organization"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("digest", name="uq_api_token_digest"),
    )
    op.create_index("ix_api_token_organization_id", "api_token", ["organization_id"], unique=False)
    op.create_table(
        "service",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("vendor_organization_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("current_id", sa.Uuid(), nullable=True),
        sa.Column("proposed_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["vendor_organization_id"], ["organization.id"], name="fk_service_vendor_organization_id_organization"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint("service_id", name="uq_service_service_id"),
    )
    op.create_table(
        "manifest_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_pk", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_pk"], ["service.id"], name="fk_manifest_version_service_pk_service"),
        sa.PrimaryKeyConstraint("id", name="pk_manifest_version"),
        sa.UniqueConstraint("service_pk", "digest", name="uq_manifest_version_service_pk_digest"),
    )
    op.create_index("ix_manifest_version_service_pk", "manifest_version", ["service_pk"], unique=False)
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("manifest_version_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("features", postgresql.JSONB(), nullable=False),
        sa.Column("config", postgresql.JSONB(), nullable=False),
        sa.Column("admin_email", sa.String(), nullable=False),
        sa.Column("admin_name", sa.String(), nullable=False),
        sa.Column("isolation", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("failure_reason", sa.String(), nullable=True),
        sa.Column("may_be_orphaned", sa.Boolean(), nullable=False),
        sa.Column("access_url", sa.String(), nullable=True),
        sa.Column("sealed_setup_url", sa.LargeBinary(), nullable=True),
        sa.Column("setup_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_preserved", sa.Boolean(), nullable=True),
        sa.Column("reactivation_deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_status", sa.String(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deactivation_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["manifest_version_id"], ["manifest_version.id"], name="fk_tenant_manifest_version_id_manifest_version"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_tenant_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["service_id"], ["service.service_id"], name="fk_tenant_service_id_service"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
        sa.UniqueConstraint("tenant_id", name="uq_tenant_tenant_id"),
    )
    op.create_index("ix_tenant_organization_id", "tenant", ["organization_id"], unique=False)
    op.create_index("ix_tenant_service_id", "tenant", ["service_id"], unique=False)
    op.create_index("ix_tenant_state", "tenant", ["state"], unique=False)
    op.create_table(
        "operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_operation_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
    )
    op.create_index(
        "ix_operation_held",
        "operation",
        ["service_id", "lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'running', 'undoing')"),
    )
    op.create_index(
        "ix_operation_open",
        "operation",
        ["tenant_pk", "number"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'running', 'undoing')"),
    )
    op.create_index("ix_operation_organization_id", "operation", ["organization_id"], unique=False)
    op.create_index("ix_operation_service_id", "operation", ["service_id"], unique=False)
    op.create_index("ix_operation_tenant_id", "operation", ["tenant_id"], unique=False)
    op.create_index("ix_operation_tenant_pk", "operation", ["tenant_pk"], unique=False)
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_subscription_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["service_id"], ["service.service_id"], name="fk_subscription_service_id_service"),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_subscription_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("tenant_pk", name="uq_subscription_tenant_pk"),
    )
    op.create_index(
        "ix_subscription_due", "subscription", ["ends_at"], unique=False, postgresql_where=sa.text("state = 'active'")
    )
    op.create_index("ix_subscription_service_id", "subscription", ["service_id"], unique=False)
    op.create_index(
        "uq_subscription_running",
        "subscription",
        ["organization_id", "service_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "tenant_transition",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=True),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_tenant_transition_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_transition"),
    )
    op.create_index("ix_tenant_transition_tenant_pk", "tenant_transition", ["tenant_pk"], unique=False)
    op.create_table(
        "usage_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_pk", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("usage", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_pk"], ["tenant.id"], name="fk_usage_record_tenant_pk_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_usage_record"),
        sa.UniqueConstraint("tenant_pk", "source_id", name="uq_usage_record_tenant_pk_source_id"),
    )
    op.create_table(
        "operation_step",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_operation_step_operation_id_operation"),
        sa.PrimaryKeyConstraint("operation_id", "name", name="pk_operation_step"),
    )
    op.create_foreign_key(
        "fk_service_current_id_manifest_version", "service", "manifest_version", ["current_id"], ["id"]
    )
    op.create_foreign_key(
        "fk_service_proposed_id_manifest_version", "service", "manifest_version", ["proposed_id"], ["id"]
    )


def downgrade() -> None:
    op.drop_constraint("fk_service_current_id_manifest_version", "service")
    op.drop_constraint("fk_service_proposed_id_manifest_version", "service")
    op.drop_table("operation_step")
    op.drop_table("usage_record")
    op.drop_index("ix_tenant_transition_tenant_pk", table_name="tenant_transition")
    op.drop_table("tenant_transition")
    op.drop_index(
        "uq_subscription_running", table_name="subscription", postgresql_where=sa.text("state <> 'cancelled'")
    )
    op.drop_index("ix_subscription_service_id", table_name="subscription")
    op.drop_index("ix_subscription_due", table_name="subscription", postgresql_where=sa.text("state = 'active'"))
    op.drop_table("subscription")
    op.drop_index("ix_operation_tenant_pk", table_name="operation")
    op.drop_index("ix_operation_tenant_id", table_name="operation")
    op.drop_index("ix_operation_service_id", table_name="operation")
    op.drop_index("ix_operation_organization_id", table_name="operation")
    op.drop_index(
        "ix_operation_open",
        table_name="operation",
        postgresql_where=sa.text("state IN ('pending', 'running', 'undoing')"),
    )
    op.drop_index(
        "ix_operation_held",
        table_name="operation",
        postgresql_where=sa.text("state IN ('pending', 'running', 'undoing')"),
    )
    op.drop_table("operation")
    op.drop_index("ix_tenant_state", table_name="tenant")
    op.drop_index("ix_tenant_service_id", table_name="tenant")
    op.drop_index("ix_tenant_organization_id", table_name="tenant")
    op.drop_table("tenant")
    op.drop_index("ix_manifest_version_service_pk", table_name="manifest_version")
    op.drop_table("manifest_version")
    op.drop_table("service")
    op.drop_index("ix_api_token_organization_id", table_name="api_token")
    op.drop_table("api_token")
    op.drop_table("organization")
    op.drop_index("ix_idempotency_record_created_at", table_name="idempotency_record")
    op.drop_table("idempotency_record")
