"""Names of a package that are loaded when they are first asked for (PEP 562).

It keeps ``import mt_paas`` short, and what an extra brings optional, whose absence shows where a name is used. It
imports the standard library only. A package says both halves::

    if TYPE_CHECKING:
        from mt_paas.core.manager import TenantManager
    else:
        __getattr__, __dir__ = lazy(__name__, {"mt_paas.core.manager": ["TenantManager"]})

The first is for type checkers and editors, which then know a name that is not there; the second is what runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, homes: Mapping[str, Iterable[str]], *, modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of ``package``, which lists its ``__all__``.

    ``homes`` has the names that each module gives it; ``modules`` are its own modules that are public as such.
    Getting another name raises ``AttributeError``, and getting one whose extra is missing ``MissingExtraError``.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    own = frozenset(modules)

    def get(name: str) -> Any:
        if name in own:
            return import_module(f"{package}.{name}")
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home_of[name]), name)

    def names() -> list[str]:
        return list(sys.modules[package].__all__)

    return get, names
