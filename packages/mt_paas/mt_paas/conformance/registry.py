"""Every check of the contract, and the decorator by which a check joins them.

A check is a coroutine function over a :class:`~mt_paas.conformance.trial.Trial`. It returns when the service keeps the
rule, and raises a :class:`~mt_paas.conformance.expect.Violation` where it does not. Its docstring's first sentence is
the check's name for people; ``rule`` is the sentence of the contract that it holds the service to::

    @check("users.duplicate_email", rule="409 `user_already_exists`", needs=[endpoint("users")])
    async def the_same_email_twice_is_refused(t: Trial) -> None:
        'A second user with the same e-mail is refused.'
        ...

A file in ``checks/`` is found by being there; its area must stand in :data:`AREAS`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from mt_paas.errors import ConfigurationError

if TYPE_CHECKING:
    from mt_paas.conformance.target import Target
    from mt_paas.conformance.trial import Trial

__all__ = [
    "AREAS",
    "MAY",
    "MUST",
    "SHOULD",
    "Check",
    "Level",
    "Need",
    "Phase",
    "Profile",
    "all_checks",
    "capability",
    "check",
    "chosen",
    "endpoint",
    "only_version_1",
    "version_2",
]


class Level(StrEnum):
    """How much a rule binds (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY


class Profile(StrEnum):
    """Which checks run: the named ones of the first report and a few more, or all."""

    CORE = "core"
    FULL = "full"


class Phase(StrEnum):
    """When a check runs. ``early``: it has to wait for something; ``late``: it judges what all others saw."""

    EARLY = "early"
    NORMAL = "normal"
    LATE = "late"
    CLEANED = "cleaned"


#: Every area of checks in the order of the report, and what it is called there.
AREAS = {
    "health": "Health",
    "lifecycle": "Life of a tenant",
    "status": "Status",
    "authentication": "The market's key",
    "format": "Form of answers",
    "errors": "Errors",
    "idempotency": "The same call again",
    "scheduling": "Scheduled deactivation",
    "identifiers": "Tenant ids",
    "bodies": "Bodies of requests",
    "usage": "Usage",
    "isolation": "Isolation",
    "concurrency": "Calls at once",
    "manifest": "Manifest",
    "negotiation": "Versions",
    "discovery": "Discovery",
    "stats": "Statistics",
    "costs": "Costs",
    "top_users": "Most active users",
    "users": "Users",
    "pagination": "Pages",
    "resources": "Resources",
    "settings": "Settings",
    "async_operations": "Operations that take long",
    "plan_change": "Change of plan",
    "suspend": "Suspension",
    "purge": "Deletion",
    "export": "Export",
    "credentials": "Credentials",
    "sso": "Single sign-on",
    "events": "Events",
    "inventory": "List of tenants",
    "rotation": "Two keys at once",
    "legacy": "Older addresses",
    "clean_up": "Clean-up",
}

#: Returns why a check does not apply to a target, or None when it does.
Need: TypeAlias = "Callable[[Target], str | None]"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the contract, and how it is tried."""

    id: str
    name: str
    level: Level
    rule: str
    run: Callable[[Trial], Awaitable[None]]
    needs: tuple[Need, ...] = ()
    profile: Profile = Profile.FULL
    phase: Phase = Phase.NORMAL

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    def inapplicable(self, target: Target) -> str | None:
        """Return why the check does not apply to ``target``, or None."""
        return next((reason for need in self.needs if (reason := need(target))), None)


_registered: dict[str, Check] = {}


def check(
    check_id: str,
    *,
    rule: str,
    level: Level = Level.MUST,
    name: str | None = None,
    needs: Iterable[Need] = (),
    profile: Profile = Profile.FULL,
    phase: Phase = Phase.NORMAL,
) -> Callable[[Callable[[Trial], Awaitable[None]]], Callable[[Trial], Awaitable[None]]]:
    """Register the decorated coroutine function as a check, and return it unchanged.

    ``rule`` is quoted from the contract; ``needs`` decide whether the check applies. Raises ``ValueError`` for an id
    that is there already and for an area that ``AREAS`` does not have.
    """

    def register(run: Callable[[Trial], Awaitable[None]]) -> Callable[[Trial], Awaitable[None]]:
        if check_id in _registered:
            raise ValueError(f"there are two checks {check_id}")
        if check_id.partition(".")[0] not in AREAS or "." not in check_id:
            raise ValueError(f"{check_id} is not `area.rule` with an area of mt_paas.conformance.registry.AREAS")
        _registered[check_id] = Check(
            check_id, name or _first_sentence(run.__doc__), level, rule, run, tuple(needs), profile, phase
        )
        return run

    return register


def endpoint(*keys: str) -> Need:
    """Return the need of endpoints that the manifest must name, such as ``users``."""

    def need(target: Target) -> str | None:
        missing = [key for key in keys if not target.declares(key)]
        return f"not declared: endpoints.{', endpoints.'.join(missing)}" if missing else None

    return need


def capability(name: str) -> Need:
    """Return the need of a capability that the manifest must list, such as ``async_operations``."""

    def need(target: Target) -> str | None:
        return None if target.has_capability(name) else f"not declared: {name} in capabilities"

    return need


def only_version_1(target: Target) -> str | None:
    """Say why rules for services that have version 1 alone do not apply: the manifest says 2.0."""
    return "the manifest declares version 2.0" if target.is_version_2 else None


def version_2(target: Target) -> str | None:
    """Say why rules of version 2 do not apply: the manifest says 1.0, or there is none."""
    return None if target.is_version_2 else "the manifest does not declare version 2.0"


@cache
def all_checks() -> tuple[Check, ...]:
    """Return every check, by area in the order of ``AREAS`` and as their files list them."""
    from mt_paas.conformance import checks

    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    order = list(AREAS)
    return tuple(sorted(_registered.values(), key=lambda each: order.index(each.area)))


def chosen(profile: Profile, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Check, ...]:
    """Return the checks of ``profile``, narrowed to ids or areas ``only`` and without those to ``skip``.

    A check that ``only`` names runs whatever its profile. Raises ``ConfigurationError`` for a word that names no
    check, with the nearest one that does.
    """
    only, skip = list(only), list(skip)
    for word in (*only, *skip):
        _require_known(word)
    wanted = [
        each
        for each in all_checks()
        if (any(_names(word, each) for word in only) if only else profile is Profile.FULL or each.profile is profile)
    ]
    return tuple(each for each in wanted if not any(_names(word, each) for word in skip))


def _names(word: str, each: Check) -> bool:
    return each.id == word or each.id.startswith(f"{word}.") or each.name == word


def _require_known(word: str) -> None:
    if not any(_names(word, each) for each in all_checks()):
        known = [name for each in all_checks() for name in (each.id, each.area, each.name)]
        near = difflib.get_close_matches(word, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "mt-paas test --list shows all of them"
        raise ConfigurationError(f"there is no check {word!r}; {hint}")


def _first_sentence(docstring: str | None) -> str:
    text = " ".join((docstring or "").split())
    return text.split(". ")[0].removesuffix(".")
