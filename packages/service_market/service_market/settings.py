"""The market's settings: a tree of small described models, read from the environment (``MARKET_…``).

``MARKET_API__PORT=9000`` sets ``api.port``. The reference page is generated from the descriptions here.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ApiSettings", "Environment", "OutgoingSettings", "ProvisioningSettings", "Settings", "WorkerSettings"]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Environment(StrEnum):
    """Where the market runs. ``production`` refuses what only a developer's desk should allow."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ApiSettings(_Group):
    """The REST API."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8505, ge=1, le=65535, description="Port to listen on.")
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, description="Largest request body, in bytes.")


class WorkerSettings(_Group):
    """The worker that runs jobs. Times are in seconds."""

    concurrency: int = Field(default=10, ge=1, le=1000, description="Jobs that run at once in one process.")
    polling: float = Field(default=1.0, gt=0, description="How often to look for jobs whose time has come.")
    heartbeat: float = Field(default=5.0, gt=0, description="How often the worker says that it lives.")
    stalled_after: float = Field(
        default=20.0, gt=0, description="After this silence a worker's jobs are given to another."
    )
    rescue_every: int = Field(default=5, ge=1, le=59, description="How often to look for jobs of silent workers.")
    grace: float = Field(default=20.0, gt=0, description="How long running jobs may take to end at shutdown.")


class ProvisioningSettings(_Group):
    """Operations on tenants. Times are in seconds."""

    attempts: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Attempts before an activation is given up; closing a tenant is tried until the deadline.",
    )
    first_delay: float = Field(default=1.0, gt=0, description="Wait after the first attempt; doubled each time.")
    longest_delay: float = Field(default=60.0, gt=0, description="Longest wait between attempts.")
    deadline: float = Field(
        default=3600.0, gt=0, description="Time from the first attempt after which an operation is given up."
    )
    per_service: int = Field(default=5, ge=1, description="Operations that call one service at the same time.")
    lease: float = Field(default=15.0, gt=0, description="How long a run holds its operation without renewing.")


class OutgoingSettings(_Group):
    """Calls to services, whose addresses vendors supply. Times are in seconds."""

    allow: tuple[str, ...] = Field(
        default=(),
        description="Networks and hosts that may be called although they are not public, as JSON: "
        '`["10.20.0.0/16", "tutor.internal"]`. In development loopback is allowed as well.',
    )
    connect_timeout: float = Field(default=5.0, gt=0, description="Time to connect.")
    total_timeout: float = Field(default=30.0, gt=0, description="Time for one call, all retries apart.")

    @field_validator("allow")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if not entry.strip():
                raise ValueError("an entry of the allow-list is a network or a host name")
            if "/" in entry:
                ip_network(entry, strict=True)
        return value


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="MARKET_", env_nested_delimiter="__", extra="ignore", frozen=True, populate_by_name=True
    )

    environment: Environment = Field(default=Environment.DEVELOPMENT, description="`development` or `production`.")
    home: Path = Field(
        default=Path(".market"), description="Folder of the embedded database, the secret key and the operator's token."
    )
    database_url: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("MARKET_DATABASE_URL", "DATABASE_URL"))
    ] = Field(
        default=None,
        description="`postgresql://…` of a PostgreSQL 15 or later; also read from `DATABASE_URL`. "
        "Without it an embedded server is started in `home`.",
    )
    database_name: str = Field(
        default="mgmt_db", pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Management database on the embedded server."
    )
    database_pool: int = Field(default=10, ge=1, le=500, description="Connections that a process keeps open.")
    secret_keys: tuple[SecretStr, ...] = Field(
        default=(),
        description="Keys that seal sensitive columns, as JSON; the first seals, all open. "
        "Without them one is made in `home`.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        max_length=500,
        description="Address at which services reach this market, such as `https://market.example`: they send their "
        "events there. In development it is, if it is not set, where the API listens.",
    )
    clock_file: Path | None = Field(
        default=None, description="A file of seconds by which the calendar is moved. Development only."
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged."
    )
    api: ApiSettings = ApiSettings()
    worker: WorkerSettings = WorkerSettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    outgoing: OutgoingSettings = OutgoingSettings()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_not_a_url(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if value != ""}
        return values

    @model_validator(mode="after")
    def _fit_for_production(self) -> Settings:
        if self.environment is Environment.PRODUCTION:
            if self.clock_file is not None:
                raise ValueError("MARKET_CLOCK_FILE moves the calendar: it is refused in production")
            if self.database_url is None:
                raise ValueError("production needs DATABASE_URL: the embedded server is for one machine")
            if not self.secret_keys:
                raise ValueError("production needs MARKET_SECRET_KEYS: every process must have the same")
            if self.public_url is None:
                raise ValueError("production needs MARKET_PUBLIC_URL: services send their events there")
        if any(len(key.get_secret_value()) < 32 for key in self.secret_keys):
            raise ValueError("MARKET_SECRET_KEYS: a secret key has at least 32 characters")
        return self

    @property
    def reached_at(self) -> str:
        """The address at which services reach this market, without a slash at its end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api.host, self.api.host)  # noqa: S104 - of what is given
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api.port}"
