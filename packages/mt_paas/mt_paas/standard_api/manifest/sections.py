"""The sections that version 2.0 of the manifest adds: plans with limits and prices, languages, OAuth 2, driver."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from mt_paas.standard_api.manifest.rules import Rule, base_address, each_once, matching, one_line
from mt_paas.standard_api.models import ContractModel, Currency, Money

__all__ = ["DriverName", "Language", "Localized", "OAuth2", "Plan", "Price", "Provisioning", "Word"]

Word = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", 'letters, digits, "_", "-" and ".", at most 63, no space')
]
Language = Annotated[str, matching(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}", 'a language such as "ko" or "en"')]


class Price(ContractModel):
    """What a plan costs. A single amount may stand for it; what a vendor adds travels along."""

    model_config = ConfigDict(extra="allow")

    amount: Money | None = Field(default=None, description="an amount", examples=["99000"])
    currency: Currency | None = Field(default=None, description="the currency (ISO 4217)", examples=["KRW"])
    interval: Word | None = Field(default=None, description="what it is paid for", examples=["month"])


def _as_price(given: Any) -> Any:
    return {"amount": given} if isinstance(given, (str, int, float)) and not isinstance(given, bool) else given


class Plan(ContractModel):
    """One plan: its features, limits and price, each optional. What a vendor adds travels along."""

    model_config = ConfigDict(extra="allow")

    features: Annotated[list[Word], AfterValidator(each_once)] = Field(default=[], description="its features")
    limits: dict[str, Any] = Field(
        default={}, description="its limits, as `config` names them", examples=[{"max_users": 500}]
    )
    price: Annotated[Price | None, BeforeValidator(_as_price)] = Field(default=None, description="its price")


class Localized(ContractModel):
    """How the service is called, and described, in one language."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, one_line(200)] | None = Field(default=None, description="the name")
    description: Annotated[str, Field(max_length=4000)] | None = Field(default=None, description="what it does")


class OAuth2(ContractModel):
    """Where the market gets its token, for ``auth.type`` oauth2 (RFC 6749, section 4.4)."""

    token_url: Annotated[str, Rule(base_address, {"format": "uri"})] = Field(
        description="the address of the token endpoint", examples=["https://login.example.org/token"]
    )
    scopes: Annotated[list[str], AfterValidator(each_once)] = Field(default=[], description="the scopes to ask for")


class DriverName(StrEnum):
    """The code that makes a tenant real."""

    STANDARD_API = "standard_api"
    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


class Provisioning(ContractModel):
    """Who makes a tenant real, and from what."""

    driver: Annotated[DriverName, Field(strict=False)] = Field(
        default=DriverName.STANDARD_API, description="the driver", examples=["standard_api"]
    )
    template: Annotated[str, one_line(200)] | None = Field(default=None, description="the template that it fills in")
