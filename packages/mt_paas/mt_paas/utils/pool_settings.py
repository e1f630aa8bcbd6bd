"""The bounds on a service's database connections; apart from the other settings because the core needs only these."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["PoolSettings"]

_LISTENING = 1


class PoolSettings(BaseModel):
    """How many connections to PostgreSQL one process may hold: ``connections`` in all.

    Tenants have what the registry, lifecycle calls and the one that listens for changes leave of them.
    """

    model_config = ConfigDict(frozen=True)

    connections: Annotated[
        int,
        Field(ge=4, description="Connections to PostgreSQL that this process may hold, all in all; the idlest close."),
    ] = 40
    size: Annotated[int, Field(ge=1, description="Connections to the database of one tenant.")] = 8
    registry: Annotated[int, Field(ge=1, description="Connections to the registry.")] = 5
    operations: Annotated[int, Field(ge=1, description="Lifecycle calls at work at once; further ones wait.")] = 4
    patience: Annotated[
        float, Field(gt=0, description="Seconds that a request waits for a connection before it is told 503.")
    ] = 10.0

    pooler: Annotated[
        str | None,
        Field(
            pattern=r"^[^\s:/]+:[0-9]{1,5}$",
            description="`host:port` of a PgBouncer that tenants' sessions go through, in any mode; the registry, "
            "locks and changes of tables need the server itself.",
        ),
    ] = None

    @property
    def tenants(self) -> int:
        """How many connections tenants may have between them."""
        return self.connections - self.registry - self.operations - _LISTENING

    def allowing(self, operations: int | None) -> PoolSettings:
        """Return the same bounds with so many lifecycle calls at work at once, and room for them; null is as many."""
        more = (operations or self.operations) - self.operations
        wider = {"operations": self.operations + more, "connections": self.connections + max(more, 0)}
        return PoolSettings(**{**self.model_dump(), **wider})

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.tenants < 1:
            raise ValueError(
                f"{self.connections} connections leave none for tenants: {self.registry} are for the registry, "
                f"{self.operations} for lifecycle calls and {_LISTENING} listens for changes"
            )
        return self
