"""The manifest: how a service introduces itself to a market, versions 1.0 and 2.0 of ``manifest.yaml``.

``version``, ``service``, ``endpoints``, ``auth`` and ``isolation`` are required; ``features`` (none: the service takes
any plan) and ``resources`` are optional. What version 2.0 adds (``SINCE_2``) is optional too, and is no part of a
manifest that says 1.0. Fields that nobody knows are ignored, as everywhere in the contract.
``Manifest.load`` and ``Manifest.parse`` read YAML and tell every fault with its place; ``Manifest.model_validate``
takes plain data by the same rules and without YAML, such as a ``model_dump(mode="json")`` that was stored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from mt_paas.errors import InvalidTenantId, NotImplementedByService
from mt_paas.standard_api.manifest.endpoints import (
    EXTENSIONS,
    OPERATION_VARIABLE,
    SINCE_2,
    USER_VARIABLE,
    Endpoints,
)
from mt_paas.standard_api.manifest.rules import (
    TENANT_VARIABLE,
    Finding,
    Rule,
    each_once,
    matching,
    one_line,
    quoted,
    refusal,
    slug,
)
from mt_paas.standard_api.manifest.sections import Language, Localized, OAuth2, Plan, Provisioning, Word
from mt_paas.standard_api.models import TENANT_ID_PATTERN, USER_ID_PATTERN, ContractModel

__all__ = [
    "DEFAULT_KEY_HEADER",
    "Auth",
    "AuthType",
    "Isolation",
    "IsolationLevel",
    "Manifest",
    "Resources",
    "Service",
]

DEFAULT_KEY_HEADER = "X-Market-API-Key"

# What the market itself, or HTTP, puts into a call (RFC 9110, sections 7.6.1 and 8; the contract's own headers).
_RESERVED_HEADERS = re.compile(
    "accept|accept-encoding|connection|content-.*|cookie|date|expect|host|idempotency-key|keep-alive|proxy-.*|set-cookie|te"
    "|trailer|transfer-encoding|traceparent|tracestate|upgrade|user-agent|via|x-mt-api-version|x-request-id",
    re.IGNORECASE,
)

_Size = Annotated[
    str,
    matching(
        r"[0-9]{1,9}(?:\.[0-9]{1,9})? *(?:[KMGTP]i?B?|B)(?: *(?:/|per) *tenant)?",
        'a size such as "2GB" or "512 MiB"',
        ignore_case=True,
    ),
]
_Cpu = Annotated[
    str,
    matching(
        r"[0-9]{1,9}(?:\.[0-9]{1,9})? *(?:m|cores?|v?cpus?)?(?: *(?:/|per) *tenant)?",
        'a number of cores such as "1 core" or "500m"',
        ignore_case=True,
    ),
]
_HeaderName = Annotated[
    str, matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", 'the name of an HTTP header such as "X-Market-API-Key"')
]


class AuthType(StrEnum):
    """How the market proves to a service who calls."""

    API_KEY = "api_key"
    OAUTH2 = "oauth2"
    JWT = "jwt"


class IsolationLevel(StrEnum):
    """How the tenants of a service are kept apart."""

    DOCKER_PER_TENANT = "DOCKER_PER_TENANT"
    DATABASE_PER_TENANT = "DATABASE_PER_TENANT"
    SCHEMA_PER_TENANT = "SCHEMA_PER_TENANT"
    SHARED_TABLES = "SHARED_TABLES"


class Service(ContractModel):
    """What the service is. Every field is required."""

    id: Annotated[str, Rule(slug, {"pattern": "^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$"})] = Field(
        description="a slug that names the service for good", examples=["keli_tutor"]
    )
    name: Annotated[str, one_line(200)] = Field(description="the name that people read", examples=["KELI TUTOR"])
    description: Annotated[str, Field(max_length=4000)] = Field(
        description="what the service does", examples=["AI 기반 학습 튜터"]
    )
    version: Annotated[
        str,
        matching(
            r"[0-9]+(?:\.[0-9]+){0,3}(?:[-+][0-9A-Za-z.+-]{1,60})?", 'a version such as "1.0.0" or "2.1.0-beta.1"'
        ),
    ] = Field(description="the version of the service", examples=["1.0.0"])
    vendor: Annotated[str, one_line(200)] = Field(description="who makes it", examples=["K-University AI Lab"])


class Auth(ContractModel):
    """How the service knows the market. ``type`` is required."""

    type: Annotated[AuthType, Field(strict=False)] = Field(description="the kind of proof")
    header: _HeaderName = Field(default=DEFAULT_KEY_HEADER, description="the header that carries the proof")
    header_aliases: Annotated[list[_HeaderName], AfterValidator(each_once)] = Field(
        default=[], description="older headers that carry it too", examples=[["X-Marketplace-Key", "X-API-Key"]]
    )

    @field_validator("header")
    @classmethod
    def _not_a_header_with_a_meaning(cls, header: str, info: ValidationInfo) -> str:
        if _RESERVED_HEADERS.fullmatch(header):
            why = f"the header {quoted(header)} has a meaning of its own in a call"
        elif header.lower() == "authorization" and info.data.get("type") is AuthType.API_KEY:
            why = "a bare key is not a value of Authorization (RFC 9110, section 11.6.2)"
        else:
            return header
        raise refusal([Finding(why, "a header for the key alone", f'write "{DEFAULT_KEY_HEADER}"')])


class Isolation(ContractModel):
    """How the service can keep its tenants apart, and how it does unless asked otherwise. Both are required."""

    supported: Annotated[
        list[Annotated[IsolationLevel, Field(strict=False)]], Field(min_length=1), AfterValidator(each_once)
    ] = Field(description="the kinds of isolation that the service offers", json_schema_extra={"uniqueItems": True})
    default: Annotated[IsolationLevel, Field(strict=False)] = Field(description="the kind that a new tenant gets")

    @field_validator("default")
    @classmethod
    def _is_supported(cls, default: IsolationLevel, info: ValidationInfo) -> IsolationLevel:
        supported = info.data.get("supported")
        if supported is not None and default not in supported:
            finding = Finding(
                f"{quoted(default)} is not supported",
                "one of " + ", ".join(map(quoted, supported)),
                "add it to `isolation.supported`",
            )
            raise refusal([finding])
        return default


class Resources(ContractModel):
    """What a tenant needs, for those who place it. Every field is optional; texts with a unit."""

    min_memory: _Size | None = Field(default=None, description="the least memory", examples=["2GB"])
    min_cpu: _Cpu | None = Field(default=None, description="the least processor", examples=["1 core"])
    storage: _Size | None = Field(default=None, description="the storage", examples=["10GB per tenant"])


class Manifest(ContractModel):
    """A service's manifest, version 1.0 or 2.0."""

    version: Literal["1.0", "2.0"] = Field(description="the version of the manifest itself", examples=["1.0"])
    service: Service = Field(description="what the service is")
    endpoints: Endpoints = Field(description="where the market calls")
    auth: Auth = Field(description="how the service knows the market")
    isolation: Isolation = Field(description="how tenants are kept apart")
    features: dict[Word, Annotated[list[Word], AfterValidator(each_once)]] = Field(
        default={},
        description="the features of each plan",
        examples=[{"basic": ["ai_chat"], "premium": ["ai_chat", "rag"]}],
    )
    resources: Resources = Field(default=Resources(), description="what a tenant needs")
    capabilities: Annotated[list[Word], AfterValidator(each_once)] = Field(
        default=[],
        description="extensions that have no path of their own",
        examples=[["async_operations", "events"]],
    )
    plans: dict[Word, Plan] = Field(
        default={},
        description="limits and price of each plan",
        examples=[{"basic": {"limits": {"max_users": 50}, "price": {"amount": "99000", "currency": "KRW"}}}],
    )
    config_schema: dict[str, Any] | None = Field(
        default=None, description="the JSON Schema of what a subscriber may configure"
    )
    localized: dict[Language, Localized] = Field(
        default={}, description="names in other languages", examples=[{"ko": {"name": "노트"}}]
    )
    oauth2: OAuth2 | None = Field(default=None, validate_default=True, description="where the market gets its token")
    provisioning: Provisioning = Field(default=Provisioning(), description="who makes a tenant real")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_came_later(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("version") != "1.0":
            return data
        kept = {key: value for key, value in data.items() if key not in SINCE_2[""]}
        for section in SINCE_2.keys() & kept.keys():
            if isinstance(kept[section], dict):
                kept[section] = {k: v for k, v in kept[section].items() if k not in SINCE_2[section]}
        return kept

    @field_validator("oauth2")
    @classmethod
    def _needs_no_token_from_nowhere(cls, oauth2: OAuth2 | None, info: ValidationInfo) -> OAuth2 | None:
        auth = info.data.get("auth")
        if oauth2 is None and auth is not None and auth.type is AuthType.OAUTH2 and info.data.get("version") == "2.0":
            raise refusal([Finding("is missing", "`token_url`, because `auth.type` is oauth2")])
        return oauth2

    @staticmethod
    def load(path: str | Path) -> Manifest:
        """Read a manifest from a file. Raises ``ManifestError`` with every fault, for an unreadable file too."""
        from mt_paas.standard_api.manifest.report import check_file

        return check_file(Path(path)).required()

    @staticmethod
    def parse(text: str | bytes, source: str = "manifest.yaml") -> Manifest:
        """Read a manifest from YAML. Raises ``ManifestError`` with every fault; ``source`` names the text there."""
        from mt_paas.standard_api.manifest.report import check

        return check(text, source).required()

    @property
    def plan_names(self) -> tuple[str, ...]:
        """The plans that the service knows, in the manifest's order. Empty: it takes any."""
        return tuple(dict.fromkeys([*self.plans, *self.features]))

    def unknown_plans(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the names that are no plan of the service; none of them where it takes any."""
        return tuple(name for name in names if self.plan_names and name not in self.plan_names)

    @property
    def api_versions(self) -> tuple[str, ...]:
        """The versions of the Standard API that the service speaks, for ``X-MT-API-Version``."""
        return ("1",) if self.version == "1.0" else ("1", "2")

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions of the contract that the service declares, in the contract's order."""
        return tuple(
            name
            for name, endpoint in EXTENSIONS.items()
            if (name in self.capabilities if endpoint is None else self.declares(endpoint))
        )

    def declares(self, endpoint: str) -> bool:
        """Say whether the service offers the endpoint, such as ``users``."""
        return endpoint != "base_url" and getattr(self.endpoints, endpoint, None) is not None

    def features_of(self, plan: str) -> tuple[str, ...]:
        """Return the features of a plan, wherever the manifest lists them."""
        listed = self.plans[plan].features if plan in self.plans else []
        return tuple(listed or self.features.get(plan, []))

    @property
    def digest(self) -> str:
        """The SHA-256, in hexadecimal, of the manifest's canonical JSON: the same for the same content."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def names_tenant(self, endpoint: str) -> bool:
        """Say whether the endpoint's address carries the tenant; where it does not, the body must."""
        return TENANT_VARIABLE in self._template(endpoint)

    def url(
        self,
        endpoint: str,
        tenant_id: str | None = None,
        *,
        user_id: str | None = None,
        operation_id: str | None = None,
    ) -> str:
        """Return the absolute address of an endpoint, such as ``tenant_status``, for a tenant, a user, an operation.

        Raises ``InvalidTenantId`` for an id that is not the contract's slug, ``ValueError`` where the address needs one
        and none is given, and ``NotImplementedByService`` where the manifest has no such endpoint.
        """
        template = self._template(endpoint)
        if TENANT_VARIABLE in template:
            if tenant_id is None:
                raise ValueError(f"the address of {endpoint} needs a tenant_id")
            if not re.fullmatch(TENANT_ID_PATTERN, tenant_id):
                raise InvalidTenantId
            template = template.replace(TENANT_VARIABLE, tenant_id)
        for variable, value in ((USER_VARIABLE, user_id), (OPERATION_VARIABLE, operation_id)):
            if variable in template:
                if value is None or not re.fullmatch(USER_ID_PATTERN, value):
                    raise ValueError(f"the address of {endpoint} needs {variable[1:-1]}")
                template = template.replace(variable, quote(value, safe="@:!$&'()*+,;=~._-"))
        return template if not template.startswith("/") else self.endpoints.base_url.rstrip("/") + template

    def _template(self, endpoint: str) -> str:
        template: str | None = None if endpoint == "base_url" else dict(self.endpoints).get(endpoint)
        if template is None:
            raise NotImplementedByService(f"The manifest of {self.service.id} names no endpoint {endpoint}.")
        return template
