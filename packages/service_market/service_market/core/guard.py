"""What no handler is given: text that the database can not store, and JSON that two readers take differently."""

from __future__ import annotations

from fastapi import Request
from mt_paas.standard_api import wire

from service_market.core.errors import InvalidBody

__all__ = ["check"]


def check(request: Request, body: bytes) -> None:
    """Raise :class:`InvalidBody` with every fault of the request's path and query, and of ``body`` unless empty."""
    faults = [
        (f"{part}/{name}", "it holds the character U+0000, which no database stores")
        for part, values in (("path", request.path_params.items()), ("query", request.query_params.multi_items()))
        for name, value in values
        if "\0" in value
    ]
    if body:
        try:
            wire.check(body)
        except wire.WireError as error:
            faults += [
                ("/".join(["body", *filter(None, fault.path.split("."))]), fault.message) for fault in error.faults
            ]
    if faults:
        raise InvalidBody.of(faults)
