"""The settings of a service on mt_paas: environment variables that begin with ``MT_``, as a tree of described models.

The reference documentation is generated from the descriptions. Secrets are ``SecretStr``: they do not show in ``repr``
or in a log.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator

from mt_paas.errors import MissingExtraError
from mt_paas.utils.isolation_settings import IsolationSettings
from mt_paas.utils.pool_settings import PoolSettings
from mt_paas.utils.traffic_settings import JwtSettings, RateLimitSettings, TenantSettings

try:
    from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.utils.config", "fastapi") from error

__all__ = ["JwtSettings", "PoolSettings", "RateLimitSettings", "Settings", "TenantSettings"]


class Settings(BaseSettings):
    """What a service is told by its environment."""

    model_config = SettingsConfigDict(
        env_prefix="MT_", env_nested_delimiter="__", frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias=AliasChoices("MT_DATABASE_URL", "DATABASE_URL"),
            description="PostgreSQL 15 or later: the registry's database. Without it an embedded server is started.",
        ),
    ] = None
    home: Annotated[Path, Field(description="Folder of the embedded PostgreSQL server.")] = Path(".mt_paas")
    api_keys: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        Field(description="Keys that the market may use, separated by commas: two during a rotation."),
    ] = ()
    secret_key: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="What passwords of tenants' roles and set-up links are derived from. Without it one is "
            "generated and kept in the registry.",
        ),
    ] = None
    public_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s?#]+$", description="Where this service is reached; else the manifest's base_url."
        ),
    ] = None
    retention: Annotated[
        timedelta, Field(description="How long the data of a deactivated tenant are kept (ISO 8601, or seconds).")
    ] = timedelta(days=90)
    setup_link_lifetime: Annotated[
        timedelta, Field(description="How long an administrator's set-up link works (ISO 8601, or seconds).")
    ] = timedelta(days=3)
    session_lifetime: Annotated[
        timedelta,
        Field(description="How long a user who came by single sign-on is logged in (ISO 8601, or seconds)."),
    ] = timedelta(hours=12)
    export_lifetime: Annotated[
        timedelta, Field(description="How long the link of a tenant's export works (ISO 8601, or seconds).")
    ] = timedelta(hours=1)
    export_folder: Annotated[
        Path | None,
        Field(
            description="Folder of the exports, which all machines of the service must share; else exports in MT_HOME."
        ),
    ] = None
    files_folder: Annotated[
        Path | None,
        Field(
            description="Folder of the tenants' files, which all machines of the service must share; else files in "
            "MT_HOME."
        ),
    ] = None
    usage_folder: Annotated[
        Path | None,
        Field(
            description="Folder of the journals of usage, on a disk that outlives this process: each machine has its "
            "own. Else usage in MT_HOME."
        ),
    ] = None
    usage_journal: Annotated[
        bool,
        Field(
            description="Write what is counted to the disk first. Without, for machines whose disks end with them, it "
            "goes straight to the database, and a kill loses what was counted in the last moments."
        ),
    ] = True
    usage_interval: Annotated[
        float, Field(gt=0, description="Seconds after which what was counted is in the database, at most.")
    ] = 5.0
    background_patience: Annotated[
        float, Field(ge=0, description="Seconds that the end of the service waits for background work.")
    ] = 10.0
    async_after: Annotated[
        float | None,
        Field(
            ge=0,
            description="Seconds after which activate, deactivate, plan change and purge are answered with 202 (if the "
            "manifest has async_operations).",
        ),
    ] = 10.0
    events_allow: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Networks, addresses and hosts beside the public ones that events may be posted to, separated "
            "by commas. A service that is reached on this machine alone may post to this machine."
        ),
    ] = ()
    legacy_aliases: Annotated[bool, Field(description="Offer the older addresses of a market too (/api/tenant/…).")] = (
        False
    )
    tenant_prefix: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,20}$",
            description="What the names of tenants' databases and roles begin with; services that share a PostgreSQL "
            "server need one each.",
        ),
    ] = "tnnt_"
    migrations: Annotated[
        Path | None,
        Field(description="Folder of Alembic's migrations of the tenants' tables; setup_multi_tenant goes before it."),
    ] = None
    migrations_behind: Annotated[
        Literal["check", "refuse"],
        Field(
            description="What becomes of tenants that wait for a migration: check tells of them in the log and in the "
            "health, refuse also answers their users with 503."
        ),
    ] = "check"
    sweep_interval: Annotated[
        float, Field(gt=0, description="Seconds between two looks for scheduled deactivations and overdue purges.")
    ] = 60.0
    development: Annotated[
        bool, Field(description="Whether this is a developer's machine: what is handy there is on by default.")
    ] = False
    tenant: Annotated[
        TenantSettings, Field(description="By what a request names its tenant (MT_TENANT__HEADER, …).")
    ] = TenantSettings()
    jwt: Annotated[JwtSettings, Field(description="Whose tokens are taken (MT_JWT__ISSUER, …).")] = JwtSettings()
    rate_limit: Annotated[
        RateLimitSettings, Field(description="How often tenants may ask (MT_RATE_LIMIT__DEFAULT, …).")
    ] = RateLimitSettings()
    isolation: Annotated[
        IsolationSettings, Field(description="How tenants are kept apart (MT_ISOLATION__DEFAULT, …).")
    ] = IsolationSettings()
    pools: Annotated[PoolSettings, Field(description="Bounds on connections (MT_POOLS__CONNECTIONS, …).")] = (
        PoolSettings()
    )

    @field_validator("api_keys", "events_allow", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value
