"""What all wire models share: strictness, the field types of the contract, the error shape."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

__all__ = [
    "ALWAYS",
    "INTEGRAL",
    "MAX_INTEGER",
    "MAX_LIMIT",
    "TENANT_ID_PATTERN",
    "USER_ID_PATTERN",
    "ContractModel",
    "Count",
    "Currency",
    "Email",
    "ErrorBody",
    "Limit",
    "Money",
    "Name",
    "Natural",
    "Positive",
    "TenantId",
    "UserId",
    "UtcDatetime",
    "WebAddress",
    "Word",
]

MAX_LIMIT = 500
MAX_INTEGER = 2**53 - 1  # what every reader of JSON keeps exactly (RFC 8259, section 6)
# A user's id is a segment of an address: anything but what would end the segment, or could not be seen.
USER_ID_PATTERN = r"^[^\x00-\x20\x7f/?#%\\]{1,200}$"
TENANT_ID_PATTERN = r"^[a-z0-9](?:[a-z0-9_-]{1,61})[a-z0-9]$"


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not within the years 1 to 9999") from None


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _amount(given: Any) -> Any:
    if isinstance(given, str) and not re.fullmatch(r"-?[0-9]{1,30}(?:\.[0-9]{1,12})?", given):
        raise PydanticCustomError("decimal_parsing", 'an amount is a decimal such as "12.50"')
    return given


def _whole(given: Any) -> Any:
    # Beyond MAX_INTEGER a float is no exact number any more: it is left to be refused.
    return int(given) if isinstance(given, float) and given.is_integer() and abs(given) <= MAX_INTEGER else given


#: ``Annotated[int, …, INTEGRAL]``, as the last: 500.0 is the integer 500, as JSON Schema has it (validation, 6.1.1).
INTEGRAL = BeforeValidator(_whole)

TenantId = Annotated[
    str, StringConstraints(pattern=TENANT_ID_PATTERN), Field(examples=["hallym_univ"], description="A tenant's slug.")
]
UtcDatetime = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
    Field(examples=["2026-01-03T12:00:00Z"], json_schema_extra={"format": "date-time"}),
]
# Languages do not agree on which control characters \s holds: those are written out.
_BLANK = r"\s\x00-\x20\x7f-\xa0"
Email = Annotated[
    str,
    StringConstraints(pattern=rf"^[^@{_BLANK}]{{1,64}}@[^@{_BLANK}]{{1,190}}$"),
    Field(examples=["admin@hallym.ac.kr"]),
]
Name = Annotated[str, StringConstraints(pattern=rf"^[^\x00-\x1f\x7f]*[^{_BLANK}][^\x00-\x1f\x7f]*$", max_length=200)]
# Shown to people as a link: nothing but a web address may stand here (javascript: would run in the market's page).
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f\x7f]+$", max_length=2000)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Natural = Annotated[int, Field(ge=0), INTEGRAL]
Positive = Annotated[int, Field(ge=1), INTEGRAL]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER), INTEGRAL]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), INTEGRAL]
UserId = Annotated[str, StringConstraints(pattern=USER_ID_PATTERN), Field(examples=["u_1001"])]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["KRW"], description="ISO 4217.")]
Money = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(strict=False, allow_inf_nan=False, max_digits=38, examples=["12.50"]),  # a text is the exact form
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json"),
]


class _Always:
    """What marks a member of an answer that is always sent, though whoever builds the answer need not say it."""


#: ``Annotated[…, ALWAYS]``: the contract has it in every answer, so OpenAPI says ``required``, and no default.
ALWAYS = _Always()


class ContractModel(BaseModel):
    """The common ground of all wire models: strict, closed to NaN, open to fields of the future."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema as generators of clients in other languages need it: see :func:`_for_generators`."""
        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)
        for part in (*own.get("properties", {}).values(), own.get("additionalProperties")):
            _for_generators(part)
        always = {name for name, field in cls.model_fields.items() if ALWAYS in field.metadata}
        for name in always:
            own["properties"][name].pop("default", None)
        if always:
            own["required"] = [name for name in own["properties"] if name in always.union(own.get("required", []))]
        return schema


class ErrorBody(ContractModel):
    """The one error shape: RFC 9457 problem details with the contract's own members beside them.

    From a service in another language a plain ``{error, message}`` conforms too, hence only those are required.
    """

    error: Annotated[str, Field(examples=["tenant_not_found"])]
    message: str
    details: Any = None
    request_id: str | None = None
    retryable: bool | None = None
    type: str | None = None
    title: str | None = None
    status: Annotated[int, INTEGRAL] | None = None
    detail: str | None = None


_WIDTHS = {"integer": "int64", "number": "double"}


def _for_generators(schema: Any) -> None:
    """Say how wide numbers are, where 32 bits are taken otherwise, and leave out what is no JSON Schema or no default.

    The default of an object would be written into typed code as it stands.
    """
    if not isinstance(schema, dict):
        return
    if (width := _WIDTHS.get(schema.get("type", ""))) is not None:
        schema.setdefault("format", width)
    schema.pop("max_digits", None)
    if isinstance(schema.get("default"), dict):
        del schema["default"]
    for part in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        _for_generators(part)
