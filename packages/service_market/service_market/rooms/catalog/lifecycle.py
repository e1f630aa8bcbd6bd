"""The state machine of a service: ``draft → verifying → listed | rejected``, later ``suspended``, ``retired``."""

from __future__ import annotations

from mt_paas.errors import IllegalTransition

from service_market.rooms.catalog.types import ServiceState

__all__ = ["TRANSITIONS", "check"]

_S = ServiceState
TRANSITIONS: dict[ServiceState, frozenset[ServiceState]] = {
    _S.DRAFT: frozenset({_S.VERIFYING}),
    _S.VERIFYING: frozenset({_S.LISTED, _S.REJECTED}),
    _S.LISTED: frozenset({_S.VERIFYING, _S.SUSPENDED, _S.RETIRED}),
    _S.REJECTED: frozenset({_S.VERIFYING}),
    _S.SUSPENDED: frozenset({_S.VERIFYING, _S.LISTED, _S.RETIRED}),
    _S.RETIRED: frozenset(),
}


def check(service_id: str, current: ServiceState, wanted: ServiceState) -> None:
    """Raise :class:`~mt_paas.errors.IllegalTransition` where the table has no such step."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"service {service_id}", current, wanted, sorted(TRANSITIONS[current]))
