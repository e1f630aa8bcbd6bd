"""What a service is told of its tenants' requests: how they name a tenant, whose tokens count, and how often they come.

Apart from the other settings, so that a file has one subject.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from mt_paas.errors import MissingExtraError

try:
    from pydantic_settings import NoDecode
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.utils.traffic_settings", "fastapi") from error

__all__ = ["JwtSettings", "LimitHeaders", "RateLimitSettings", "TenantSettings"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


#: Texts that the environment separates by commas.
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


class TenantSettings(BaseModel):
    """By what a request names its tenant, in this order: header, token, sub-domain, query."""

    model_config = ConfigDict(frozen=True)

    header: Annotated[bool, Field(description="Whether the header X-Tenant-ID names a tenant.")] = True
    claim: Annotated[bool, Field(description="Whether a token names its tenant (MT_JWT__TENANT_CLAIM).")] = True
    domain: Annotated[
        str | None,
        Field(
            pattern=r"^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$",
            description="The domain whose sub-domains are tenants' ids, such as notes.example; without it none is.",
        ),
    ] = None
    not_tenants: Annotated[Texts, Field(description="Sub-domains of it that are no tenant's, separated by commas.")] = (
        "www",
    )
    query: Annotated[
        bool | None,
        Field(
            description="Whether the parameter tenant_id of the query names a tenant. Without a word: in development."
        ),
    ] = None
    trusted_proxies: Annotated[
        Texts,
        Field(
            description="Networks of proxies, separated by commas, whose requests are for the tenant that they name "
            "though nobody was recognised. They must set, or remove, what names a tenant themselves."
        ),
    ] = ()
    open_paths: Annotated[
        Texts,
        Field(
            description="Paths that are no tenant's traffic, separated by commas; with a slash at the end, all below "
            "them too. The market's own addresses, the set-up pages and the documents of the API always are."
        ),
    ] = ("/health", "/healthz", "/livez", "/readyz")


class JwtSettings(BaseModel):
    """Whose tokens are taken beside access keys: with an issuer, JSON Web Tokens of it; without one, none."""

    model_config = ConfigDict(frozen=True)

    issuer: Annotated[str | None, Field(min_length=1, description="Who issues the tokens: their claim iss.")] = None
    audience: Annotated[
        Texts, Field(description="Whom the tokens are for: their claim aud has one of these, separated by commas.")
    ] = ()
    jwks_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s#]+$",
            description="Where the issuer shows its public keys; by http only on this machine, or where `allow` says.",
        ),
    ] = None
    allow: Annotated[
        Texts,
        Field(
            description="Networks, addresses and hosts beside the public ones where the keys may be, separated by "
            "commas."
        ),
    ] = ()
    secret: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="In place of `jwks_url`: a secret shared with the issuer, for tokens signed by HS256. Whoever "
            "knows it can make tokens for every tenant.",
        ),
    ] = None
    algorithms: Annotated[
        tuple[Algorithm, ...],
        NoDecode,
        BeforeValidator(_split),
        Field(min_length=1, description="The signatures that are taken, separated by commas."),
    ] = ("RS256", "ES256", "EdDSA")
    tenant_claim: Annotated[str, Field(min_length=1, description="The claim that names the tenant.")] = "tenant_id"
    leeway: Annotated[int, Field(ge=0, le=300, description="Seconds by which clocks may differ.")] = 30

    @model_validator(mode="after")
    def _is_whole(self) -> JwtSettings:
        if self.issuer is None:
            if self.jwks_url is not None or self.secret is not None:
                raise ValueError("keys without an issuer: set MT_JWT__ISSUER to the claim iss of its tokens")
            return self
        if not self.audience:
            raise ValueError("MT_JWT__AUDIENCE is missing: tokens for other services of the issuer would be taken")
        if (self.jwks_url is None) == (self.secret is None):
            raise ValueError("set MT_JWT__JWKS_URL, or MT_JWT__SECRET for tokens signed by HS256: one of them")
        if self.jwks_url is not None and self.jwks_url.startswith("http:"):
            host = urlsplit(self.jwks_url).hostname
            if host not in _LOOPBACK and host not in self.allow:
                raise ValueError(
                    "keys that come by http can be replaced on the way: use https, or name the host in MT_JWT__ALLOW"
                )
        return self


LimitHeaders = Literal["standard", "early", "both"]


class RateLimitSettings(BaseModel):
    """How often tenants may ask. The manifest's plans say it (``limits.requests_per_minute``); here it is changed."""

    model_config = ConfigDict(frozen=True)

    enabled: Annotated[bool, Field(description="Whether requests are counted.")] = True
    storage: Annotated[
        SecretStr | None,
        Field(
            description="Where they are counted for several processes: redis://host:6379/0, rediss://…, valkey://…, "
            "redis+sentinel://…, redis+cluster://…. Without it each process counts its own, in memory."
        ),
    ] = None
    plans: Annotated[
        dict[str, str],
        Field(
            description='The limits of plans in place of the manifest\'s, as JSON: {"basic": "60/minute; 5000/day", '
            '"premium": "unlimited"}.'
        ),
    ] = {}
    default: Annotated[
        str | None, Field(description="The limit of every other plan, such as 600/minute; without it none.")
    ] = None
    headers: Annotated[
        LimitHeaders,
        Field(
            description="What tells callers how much is left: standard is RateLimit and RateLimit-Policy of the IETF's "
            "draft, early is RateLimit-Limit, -Remaining and -Reset of its first versions. A refusal has all of them."
        ),
    ] = "standard"
    patience: Annotated[
        float, Field(gt=0, description="Seconds after which a Redis that does not answer is done without.")
    ] = 0.25
