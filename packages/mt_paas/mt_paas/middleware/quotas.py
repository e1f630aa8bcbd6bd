"""How much a plan allows: its windows, from the manifest's plans or the settings, and what they look like in headers.

A plan's ``limits`` in the manifest hold ``requests_per_second``, ``…_minute``, ``…_hour`` and ``…_day``. A setting says
it in the notation of the ``limits`` library: ``100/minute; 5000/day``, or ``unlimited``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mt_paas.errors import ConfigurationError, MissingExtraError
from mt_paas.standard_api.manifest import Manifest

try:
    from limits import parse_many
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.middleware.quotas", "rate-limit") from error

__all__ = ["Count", "Quota", "Window", "count", "quotas_of"]

UNLIMITED = "unlimited"
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_LIMIT = "requests_per_"


@dataclass(slots=True)
class Count:
    """Where one window is after a request: what is left in it, and the seconds until it is over, and until the next."""

    allowed: bool
    remaining: int
    reset: int
    retry_after: int


@dataclass(frozen=True, slots=True)
class Window:
    """``amount`` requests in ``length`` seconds."""

    amount: int
    length: int


class Quota:
    """The windows of one plan, the shortest first. ``name`` is what the headers call it.

    Of several windows of one length the one with the least room is kept: they would be counted as one.
    """

    __slots__ = ("_policy", "_titles", "arguments", "name", "windows")

    def __init__(self, name: str, windows: Iterable[Window]) -> None:
        self.name = name
        roomiest_first = sorted(windows, key=lambda window: (window.length, -window.amount))
        self.windows = tuple({window.length: window for window in roomiest_first}.values())
        #: What the counters in Redis are told: how many windows, and amount and milliseconds of each.
        numbers = [number for window in self.windows for number in (window.amount, window.length * 1000)]
        self.arguments = [len(self.windows), *numbers]
        several = len(self.windows) > 1
        titles = [f'"{name}-{window.length}"' if several else f'"{name}"' for window in self.windows]
        policies = [
            f"{title};q={window.amount};w={window.length}" for title, window in zip(titles, self.windows, strict=True)
        ]
        self._titles = [title.encode("latin-1") for title in titles]
        self._policy = (b"ratelimit-policy", ", ".join(policies).encode("latin-1"))

    def headers(self, counts: Sequence[Count]) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell a caller where it is.

        They are those of draft-ietf-httpapi-ratelimit-headers since its version 8: ``RateLimit-Policy``, and
        ``RateLimit`` with the requests left and the seconds until the window is over.
        """
        if len(counts) == 1:
            told = b"%b;r=%d;t=%d" % (self._titles[0], counts[0].remaining, counts[0].reset)
        else:
            pairs = zip(self._titles, counts, strict=True)
            told = b", ".join([b"%b;r=%d;t=%d" % (title, one.remaining, one.reset) for title, one in pairs])
        return [self._policy, (b"ratelimit", told)]

    def early_headers(self, counts: Sequence[Count]) -> list[tuple[bytes, bytes]]:
        """Return the headers of that draft's first versions, of the window that has least left; most clients know them.

        They are ``RateLimit-Limit``, ``-Remaining`` and ``-Reset``.
        """
        tightest, window = min(zip(counts, self.windows, strict=True), key=lambda pair: pair[0].remaining)
        numbers = {b"limit": window.amount, b"remaining": tightest.remaining, b"reset": tightest.reset}
        return [(b"ratelimit-" + name, b"%d" % number) for name, number in numbers.items()]


def count(window: Window, current: int, previous: int, ends_in: float, *, counted: bool) -> Count:
    """Return where a sliding window is that has ``current`` requests, and had ``previous`` in the one before.

    Those of the one before weigh less the nearer this one is to its end, which is in ``ends_in`` seconds. ``counted``
    says whether the request is one of them; where it is not, this window may still have had room for it.
    """
    amount, length = window.amount, window.length
    room = amount - current
    if previous:
        room -= int(previous * ends_in / length)
    reset = int(ends_in) + 1
    if counted or room > 0:
        return Count(True, max(0, room), reset, 0)  # noqa: FBT003 - a field of the value
    if current < amount:  # the window before has to weigh less
        wait = ends_in - (amount - current) * length / previous
    else:  # this one has to become the one before, and to weigh less then
        wait = ends_in + length * (1 - amount / current)
    return Count(False, 0, reset, int(wait) + 1)  # noqa: FBT003


def quotas_of(
    manifest: Manifest, plans: Mapping[str, str], default: str | None
) -> tuple[dict[str, Quota | None], Quota | None]:
    """Return the quota of each plan of which something is said, and that of the others; null is without limit.

    What ``plans`` says of a plan replaces what the manifest says. Raises
    :class:`~mt_paas.errors.ConfigurationError` for limits that are none.
    """
    written = {name: _of_limits(name, plan.limits) for name, plan in manifest.plans.items()}
    quotas = {name: quota for name, quota in written.items() if quota is not None}
    return quotas | {name: _of_text(name, text) for name, text in plans.items()}, (
        None if default is None else _of_text("default", default)
    )


def _of_limits(plan: str, limits: Mapping[str, Any]) -> Quota | None:
    windows = []
    for unit, seconds in _SECONDS.items():
        amount = limits.get(f"{_LIMIT}{unit}")
        if amount is None:
            continue
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            raise ConfigurationError(
                f"plans.{plan}.limits.{_LIMIT}{unit} of the manifest is {amount!r}: write a whole number from 1"
            )
        windows.append(Window(amount, seconds))
    return Quota(plan, windows) if windows else None


def _of_text(plan: str, text: str) -> Quota | None:
    if text.strip().lower() == UNLIMITED:
        return None
    try:
        windows = [Window(item.amount, item.get_expiry()) for item in parse_many(text)]
    except ValueError:
        windows = []
    if not windows or any(window.amount < 1 or window.length < 1 for window in windows):
        raise ConfigurationError(
            f"the rate limit of {plan} is {text!r}: write 100/minute, several separated by a semicolon, or {UNLIMITED}"
        )
    return Quota(plan, windows)
