"""The bounds on a service's database connections; apart from the other settings because the core needs only these."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PoolSettings"]


class PoolSettings(BaseModel):
    """How many connections to PostgreSQL one process may hold: ``limit × size + registry + operations``."""

    model_config = ConfigDict(frozen=True)

    limit: Annotated[
        int, Field(ge=1, description="Tenants whose connections are kept open at once; the idlest close.")
    ] = 16
    size: Annotated[int, Field(ge=1, description="Connections to one tenant's database.")] = 4
    registry: Annotated[int, Field(ge=1, description="Connections to the registry.")] = 5
    operations: Annotated[int, Field(ge=1, description="Lifecycle calls at work at once; further ones wait.")] = 4
    patience: Annotated[
        float, Field(gt=0, description="Seconds that a request waits for a connection before it is told 503.")
    ] = 10.0
