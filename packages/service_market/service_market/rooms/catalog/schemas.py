"""What the API says and hears of services."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from service_market.core.envelope import Wire
from service_market.rooms.catalog.types import ServiceState

__all__ = ["ManifestOut", "ManifestWarning", "RegisterService", "RegisteredOut", "ServiceOut"]

_EXAMPLE = """version: "1.0"
service:
  id: keli_tutor
  name: KELI TUTOR
  …
"""


def _visible(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]*", key.get_secret_value()):
        raise ValueError("a key that travels in a header is of visible ASCII characters alone")
    return key


class RegisterService(Wire):
    """A manifest to register, and the key by which the market will call the service."""

    manifest: Annotated[
        str,
        StringConstraints(max_length=262_144),
        Field(examples=[_EXAMPLE], description="manifest.yaml"),
    ]
    api_key: Annotated[
        SecretStr,
        AfterValidator(_visible),
        Field(min_length=16, max_length=512, description="Sent to the service in the header that its manifest names."),
    ]
    base_url: Annotated[
        str | None,
        Field(max_length=2048, description="Where the service is reached, if not at the manifest's `base_url`."),
    ] = None


class ServiceOut(Wire):
    """A service of the catalogue."""

    service_id: Annotated[str, Field(examples=["keli_tutor"])]
    name: str
    state: ServiceState
    reason: Annotated[
        str | None,
        Field(description="Why it was rejected, in the words of what went wrong; its vendor and the operator see it."),
    ]
    description: str
    vendor: str
    version: str
    plans: list[str]
    features: dict[str, list[str]]
    base_url: str
    manifest_digest: str
    created_at: datetime
    verified_at: datetime | None


class ManifestWarning(Wire):
    """Something odd in a manifest that is no fault, such as a key that nobody knows. Places count from 1."""

    path: str
    line: int
    column: int
    message: str


class RegisteredOut(ServiceOut):
    """A service as it was registered just now."""

    warnings: Annotated[list[ManifestWarning], Field(description="What is odd in the manifest, first to last.")]


class ManifestOut(Wire):
    """A manifest as it was submitted, and as it was understood."""

    digest: str
    source: Annotated[str | None, Field(description="As it was submitted; its vendor and the operator see it.")]
    document: dict[str, Any]
    created_at: datetime
