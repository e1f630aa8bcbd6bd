"""Takes secrets out of what is shown: the log of a run is read over shoulders, and pasted into tickets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["MASK", "Mask"]

MASK = "***"

_MAX_SHOWN = 4000  # characters of a body
_SECRET_NAME = re.compile(r"(?:^|_)(?:password|passwd|secret|token|api_?key)$", re.IGNORECASE)
_LINK_NAMES = frozenset({"setup_url", "launch_url", "download_url"})  # who has the link is in
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class Mask:
    """Knows the secrets of a run: the market's key, and each call-back token that it gave out."""

    def __init__(self, key_header: str, secrets: Iterable[str] = ()) -> None:
        self.key_header = key_header
        self._secrets = {secret for secret in secrets if secret}

    def learn(self, *secrets: str) -> None:
        """Mask these too, wherever they appear."""
        self._secrets.update(secret for secret in secrets if secret)

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return headers with the values of secret ones masked."""
        secret = _SECRET_HEADERS | {self.key_header.lower()}
        return {name: MASK if name.lower() in secret else self.text(value) for name, value in headers}

    def text(self, text: str) -> str:
        """Return ``text`` without any secret of the run."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def body(self, raw: bytes) -> Any:
        """Return a body as JSON where it is some, else as text; cut where it is long."""
        if not raw:
            return None
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            shown = raw[: 4 * _MAX_SHOWN].decode("utf-8", "replace")
        else:
            masked = self.value(document)
            shown = json.dumps(masked, ensure_ascii=False)
            if len(shown) <= _MAX_SHOWN:
                return masked
        shown = self.text(shown)
        return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}… ({len(raw)} bytes in all)"

    def value(self, value: Any, name: str = "") -> Any:
        """Return a JSON value without the secrets in it; ``name`` is the member that it stands in."""
        if isinstance(value, dict):
            return {member: self.value(inner, member) for member, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        if _SECRET_NAME.search(name):
            return MASK
        return _without_path(value) if name in _LINK_NAMES else self.text(value)


def _without_path(link: str) -> str:
    try:
        parts = urlsplit(link)
    except ValueError:
        return MASK
    return f"{parts.scheme}://{parts.netloc}/{MASK}" if parts.netloc else MASK
