"""Identifiers: UUID version 7 (RFC 9562), so that the order of ids is the order of creation and pages can follow it."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

__all__ = ["new_id"]


def new_id() -> UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
