"""What a service offers of the contract: which versions, which calls, and whether it may answer later."""

from __future__ import annotations

from mt_paas.standard_api.describe import DESCRIPTIONS, CallDescription
from mt_paas.standard_api.handler import StandardAPIHandler
from mt_paas.standard_api.manifest import EXTENSIONS, Manifest

__all__ = ["Offer"]


class Offer:
    """Says what is offered: with a manifest what that declares, without one what the handler overrides.

    The calls of version 1 are always there, as is discovery.
    """

    def __init__(self, handler: StandardAPIHandler, manifest: Manifest | None) -> None:
        if manifest is not None:
            self.versions = manifest.api_versions
            declared = {call.endpoint for call in DESCRIPTIONS if manifest.declares(call.endpoint)}
            self.plans = manifest.plan_names
        else:
            declared = {"health", *(call.endpoint for call in DESCRIPTIONS if _overrides(handler, call))}
            is_newer = any(call.endpoint in declared for call in DESCRIPTIONS if call.since == "2")
            self.versions = ("1", "2") if is_newer else ("1",)
            self.plans = ()
        self._manifest = manifest
        self._handler = handler
        self.names = frozenset(call.call for call in DESCRIPTIONS if self._offers(call))
        self.endpoints = tuple(dict.fromkeys(call.endpoint for call in DESCRIPTIONS if call.endpoint in declared))
        self.extensions = (
            manifest.extensions
            if manifest is not None
            else tuple(name for name, endpoint in EXTENSIONS.items() if (endpoint or _OF_ITSELF.get(name)) in declared)
        )
        self.answers_later = manifest is None or "async_operations" in manifest.extensions

    def has(self, call: CallDescription) -> bool:
        """Return whether a call is offered; one that has a successor is when that is."""
        return (call.successor or call.call) in self.names

    def features_of(self, plan: str) -> tuple[str, ...]:
        """Return the features of a plan; none where nothing is known of plans."""
        return self._manifest.features_of(plan) if self._manifest is not None else ()

    def _offers(self, call: CallDescription) -> bool:
        if call.since == "1":
            return True
        if self._manifest is not None:
            return "2" in self.versions and self._manifest.declares(call.endpoint)
        return _overrides(self._handler, call)


# How a handler without a manifest shows that it has an extension without an endpoint of its own.
_OF_ITSELF = {"async_operations": "operation"}


def _overrides(handler: StandardAPIHandler, call: CallDescription) -> bool:
    method = getattr(handler, call.call, None)
    return getattr(method, "__func__", method) is not getattr(StandardAPIHandler, call.call, None)
