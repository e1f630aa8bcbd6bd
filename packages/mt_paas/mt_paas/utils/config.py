"""The settings of a service on mt_paas: environment variables that begin with ``MT_``, as a tree of described models.

The reference documentation is generated from the descriptions. Secrets are ``SecretStr``: they do not show in ``repr``
or in a log.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, field_validator

from mt_paas.errors import MissingExtraError
from mt_paas.utils.pool_settings import PoolSettings

try:
    from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.utils.config", "fastapi") from error

__all__ = ["PoolSettings", "Settings"]


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
    tenant_prefix: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,20}$",
            description="What the names of tenants' databases and roles begin with; services that share a PostgreSQL "
            "server need one each.",
        ),
    ] = "tnnt_"
    sweep_interval: Annotated[
        float, Field(gt=0, description="Seconds between two looks for scheduled deactivations and overdue purges.")
    ] = 60.0
    pools: Annotated[PoolSettings, Field(description="Bounds on connections (MT_POOLS__LIMIT, …).")] = PoolSettings()

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value
