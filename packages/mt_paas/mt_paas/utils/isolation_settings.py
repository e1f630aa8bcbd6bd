"""How a service keeps its tenants apart; who gets which isolation is for its operator to say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["IsolationSettings"]


class IsolationSettings(BaseModel):
    """Which isolation a new tenant gets, of those that the manifest lists under ``isolation.supported``."""

    model_config = ConfigDict(frozen=True)

    default: Annotated[
        str | None, Field(description="The isolation of new tenants; else the manifest's `isolation.default`.")
    ] = None
    by_plan: Annotated[
        dict[str, str],
        Field(description='Other isolations by plan of the manifest, as JSON: `{"premium": "DATABASE_PER_TENANT"}`.'),
    ] = {}
    spares: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Databases that are kept ready for new tenants, so that making one is a matter of renaming.",
        ),
    ] = 0
