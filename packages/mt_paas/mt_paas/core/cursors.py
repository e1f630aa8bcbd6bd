"""Cursors of pages: opaque, signed, and bound to the list that they were made for.

A cursor holds the sort key of the last item that was shown (keyset pagination: items that come and go meanwhile make
nothing appear twice). It is signed with the service's secret together with its list: the tenant, and every filter. So
one that was made up, cut, or taken from another list or tenant is refused and never misread.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from mt_paas.errors import InvalidQuery
from mt_paas.utils.security import derive_token, equal

__all__ = ["Cursors"]

_SIGNATURE = 22  # characters, each six bits: 132


class Cursors:
    """The cursors of one service. ``scope`` names a list: what it lists, for whom, under which filters."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def encode(self, scope: Sequence[str | None], *key: str) -> str:
        """Return the cursor of the page that follows the item with the sort key ``key``."""
        raw = base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")
        return f"{raw}.{self._sign(scope, raw)}"

    def decode(self, scope: Sequence[str | None], cursor: str) -> tuple[str, ...]:
        """Return the sort key in ``cursor``. Raises :class:`~mt_paas.errors.InvalidQuery` unless it is of this list."""
        raw, _, signature = cursor.rpartition(".")
        try:
            if equal(signature, self._sign(scope, raw)):
                return tuple(json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))))
        except (UnicodeError, binascii.Error, ValueError):
            pass  # half a character, which nothing of ours holds
        raise InvalidQuery("The cursor is not one of this list: start again without one.")

    def _sign(self, scope: Sequence[str | None], raw: str) -> str:
        return derive_token(self._secret, "cursor", json.dumps(list(scope)), raw)[:_SIGNATURE]
