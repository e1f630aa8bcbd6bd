"""The caller's side of the Standard API: :class:`StandardAPIClient` drives one service as its manifest says.

A service is somebody else's program, and may be slow, silent, wrong or lying. So every call ends by a deadline that no
dripping answer stretches, reads a bounded answer, believes nothing that the contract does not allow, and follows no
redirect. What goes wrong is one of the :class:`~mt_paas.errors.ServiceCallError` family, whose message names the call
and what the service said; the key, a password and control characters never stand in it.

One module for each area of the contract (``lifecycle``, ``dashboard``, ``extensions``); ``operations`` waits for what
is answered later, ``walking`` reads lists to their end, and ``caller`` makes the call.
"""

from __future__ import annotations

from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.client.caller import Timeouts
from mt_paas.standard_api.client.dashboard import DashboardCalls
from mt_paas.standard_api.client.extensions import ExtensionCalls
from mt_paas.standard_api.client.lifecycle import LifecycleCalls
from mt_paas.standard_api.client.operations import outcome

__all__ = ["AddressPolicy", "StandardAPIClient", "Timeouts", "outcome"]


class StandardAPIClient(LifecycleCalls, DashboardCalls, ExtensionCalls):
    """Calls one service by its manifest. An async context manager.

    Queries are tried up to ``attempts`` times where that can help, after a ``pause`` of some seconds; what changes
    something is tried again only when it certainly never arrived. ``addresses`` rules which hosts are called, unless a
    ``transport`` is given: then that decides. ``tls`` are TLS settings of one's own, say for a private authority.

    The request id and trace of the call that is being handled travel on; who handles none sets them by ``in_call``.
    """
