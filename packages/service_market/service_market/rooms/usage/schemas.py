"""What the API says and hears of usage."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from service_market.core.envelope import Wire
from service_market.core.faults import form
from service_market.rooms.usage.types import Period

__all__ = ["ReportUsage", "UsageOut"]

Meter = Annotated[str, form(r"^[a-z][a-z0-9_]{0,62}$", "1 to 63 characters a-z, 0-9 and _, the first a letter")]


class ReportUsage(Wire):
    """A usage report. The same ``source_id`` again corrects the record instead of adding one."""

    source_id: Annotated[
        str | None,
        form(r"^[\x21-\x7e]{1,128}$", "1 to 128 visible ASCII characters"),
        Field(description="What the service calls this report; default: the period."),
    ] = None
    period: Annotated[Period, Field(examples=["2026-01"])]
    usage: Annotated[
        dict[Meter, Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=9)]],
        Field(min_length=1, max_length=100, examples=[{"api_calls": 15000, "ai_tokens": 500000, "storage_gb": 25.5}]),
    ]


class UsageOut(Wire):
    """A usage record. ``corrections`` counts how often it was reported anew."""

    source_id: str
    period: str
    usage: dict[str, Decimal]
    received_at: datetime
    corrections: int
