"""What was said on the wire while a check ran, kept so that it can be shown, and never with a secret in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

__all__ = ["MAX_SHOWN", "Exchange", "Mask"]

MAX_SHOWN = 2000  # bytes of a body

_MASK = "***"
_PASSWORD_MEMBER = re.compile(
    r"""("[^"]*(?:passw|passphrase|pwd|secret|token)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"?""", re.IGNORECASE
)


@dataclass(slots=True)
class Exchange:
    """One request and its answer, or what came instead of one. Bodies are cut at ``MAX_SHOWN`` bytes."""

    method: str
    url: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: bytes = b""
    trouble: str = ""
    duration_ms: float = 0.0


class Mask:
    """Takes keys out of text, whole or as the near misses of a key that checks send, and passwords out of JSON."""

    def __init__(self, keys: Iterable[str], *, key_headers: Iterable[str]) -> None:
        forms: set[str] = set()
        for key in keys:
            for form in (key, key[:-1], key.swapcase()):
                if len(form) >= 4:
                    forms |= {form, quote(form, safe=""), json.dumps(form)[1:-1]}
        self._forms = sorted(forms, key=len, reverse=True)
        self._key_headers = {name.lower() for name in key_headers} | {"authorization"}

    def text(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``***``."""
        for form in self._forms:
            text = text.replace(form, _MASK)
        return _PASSWORD_MEMBER.sub(rf'\1"{_MASK}"', text)

    def shown(self, exchange: Exchange) -> dict[str, object]:
        """Return an exchange as reports show it."""
        answered = {
            "status": exchange.status,
            "headers": self._headers(exchange.response_headers),
            "body": self._body(exchange.response_body),
        }
        return {
            "request": {
                "method": exchange.method,
                "url": self.text(exchange.url),
                "headers": self._headers(exchange.request_headers),
                "body": self._body(exchange.request_body),
            },
            "response": None if exchange.status is None else answered,
            "trouble": self.text(exchange.trouble),
            "duration_ms": round(exchange.duration_ms, 1),
        }

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {
            name: _MASK if name.lower() in self._key_headers and value else self.text(value)
            for name, value in headers.items()
        }

    def _body(self, body: bytes) -> str:
        """Return the beginning of a body. It is masked before it is cut, so that no half of a key stays."""
        text = self.text(body.decode("utf-8", "replace"))
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(body)} bytes)"
