"""What a service answered, read with suspicion: as a model of the contract, or as an error that says what it said."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from mt_paas.errors import ServiceAnswerInvalid, ServiceCallError, ServiceFailed, ServiceRefused
from mt_paas.standard_api.models import ContractModel
from mt_paas.standard_api.problem import error_registry
from mt_paas.standard_api.wire import WireError, is_json, read

__all__ = ["ERROR_WORD", "MAX_ANSWER_BYTES", "Reply", "clean"]

MAX_ANSWER_BYTES = 1024 * 1024
ERROR_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

_MAX_QUOTED = 300  # characters of what a service says, in a message
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_VERSIONS_IN = ("versions", "supported_versions", "supported")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"""((?:password|passwd|pwd)["']?\s*(?:[:=]|\bis\b)\s*)("[^"]*"?|'[^']*'?|\S+)""", re.IGNORECASE)

Answer = TypeVar("Answer", bound=ContractModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer that came whole, unless it is longer than ``MAX_ANSWER_BYTES``.

    ``call`` names the request in messages; ``secret`` is what may never stand in one.
    """

    call: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    secret: str = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the service says that it did what was asked."""
        return 200 <= self.status < 300

    @property
    def versions(self) -> frozenset[str]:
        """The versions of the contract that the service names where it refuses the one that it was asked in."""
        said = self._json()
        if self.status != 412 or said.get("error") != "unsupported_api_version":
            return frozenset()
        places = [said, said.get("details")]
        named = [place.get(name) for place in places if isinstance(place, dict) for name in _VERSIONS_IN]
        named.append(said.get("details"))  # a bare list is understood too
        return frozenset(str(version) for versions in named if isinstance(versions, list) for version in versions)

    def read_nothing(self) -> None:
        """Accept an answer without a body (204). Raises ``ServiceAnswerInvalid`` for any other."""
        self._must_be(204)
        if self.body:
            raise self.invalid("the answer has a body, which a 204 has not")

    def read(self, model: type[Answer], *, status: int = 200) -> Answer:
        """Return the body as ``model``. Raises ``ServiceAnswerInvalid`` naming every field that is wrong."""
        self._must_be(status)
        if len(self.body) > MAX_ANSWER_BYTES:
            raise self.invalid(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        if self._is_encoded:
            raise self.invalid("the answer is compressed, which was not asked for")
        if not is_json(self._content_type):
            raise self.invalid(f"the answer is {self._content_type or 'of no type'}, not application/json")
        try:
            return read(model, self.body)
        except WireError as error:
            raise self.invalid(str(error)) from None

    def _must_be(self, status: int) -> None:
        if self.status == 202 != status:
            raise self.invalid(
                f"the manifest does not declare that it answers later (async_operations); expected {status}"
            )
        if self.status != status:
            raise self.invalid(f"the contract knows {status} alone as a success of this call")

    def invalid(self, what: str) -> ServiceAnswerInvalid:
        """Return the error for an answer that breaks the contract by ``what``."""
        return ServiceAnswerInvalid(
            f"{self.call} answered {self.status}, but {self.quotable(what)}", status=self.status
        )

    def problem(self) -> ServiceCallError:
        """Return the error that an answer without success stands for, with what the service said."""
        if 300 <= self.status < 400:
            target = self.quotable(self.headers.get("location", "")) or "nowhere"
            return ServiceAnswerInvalid(
                f"{self.call} answered {self.status}, a redirect to {target}; redirects are not followed: "
                f"write the right address into the manifest",
                status=self.status,
            )
        word, message, retryable = self._said()
        text = f"{self.call} answered {self.status}"
        text += f" {word}" if word else ""
        text += f": {message}" if message else ", and said no more"
        family = ServiceFailed if self.status >= 500 else ServiceRefused
        return family(text, status=self.status, error=word, retry_after=self._retry_after(), retryable=retryable)

    def _said(self) -> tuple[str | None, str, bool]:
        """Return the service's error word, its message, and whether the same call has a chance later."""
        said = self._json()
        word = said.get("error")
        if not isinstance(word, str) or not ERROR_WORD.fullmatch(word):
            word = None
        message = next((text for name in ("message", "detail") if (text := _text(said.get(name)))), "")
        if not said:
            message = _TAG.sub(" ", self.body[:MAX_ANSWER_BYTES].decode("utf-8", "replace"))
        retryable = said.get("retryable")
        if not isinstance(retryable, bool):
            known = error_registry().get(word or "")
            retryable = known.retryable if known and known.status == self.status else self.status in _RETRYABLE_STATUSES
        return word and self.quotable(word), self.quotable(message), retryable

    def _json(self) -> dict[str, Any]:
        if not is_json(self._content_type) or len(self.body) > MAX_ANSWER_BYTES:
            return {}
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}

    def _retry_after(self) -> float | None:
        """Return the header ``Retry-After`` in seconds (RFC 9110, section 10.2.3)."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}", value):
            return float(value)
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max((when.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)

    def quotable(self, text: str) -> str:
        """Return what the service said, fit for a message: short, on one line, without the key and passwords."""
        return clean(text.replace(self.secret, "***") if self.secret else text)

    @property
    def _content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def _is_encoded(self) -> bool:
        return "content-encoding" in self.headers


def clean(text: str) -> str:
    """Return ``text`` fit for a message: on one line, cut, without control characters and without passwords."""
    text = _PASSWORD.sub(r"\1***", text[: 10 * _MAX_QUOTED])
    text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    text = " ".join(text.split())
    return text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 1]}…"


def _text(value: Any) -> str:
    """Return a message as text: a string, or FastAPI's list of faults without the values that it quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        faults = [fault for fault in value if isinstance(fault, dict) and isinstance(fault.get("loc"), list)]
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault.get('msg')}" for fault in faults)
    return ""
