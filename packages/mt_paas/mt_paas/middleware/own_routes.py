"""The library's own routes in an app, and how a request to the app's passes them: with one look at its path."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope

from mt_paas.middleware.traffic import OpenPaths

__all__ = ["OwnRoutes"]


class OwnRoutes(APIRouter):
    """A router whose routes are all at ``paths``, or below those that end with a slash.

    Starlette asks each route in turn whether a request is its own, and the Standard API has more of them than most
    services: that took longer than a small handler.
    """

    def __init__(self, paths: OpenPaths) -> None:
        super().__init__()
        self._paths = paths

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell which route a request is for; none of these where its path is another's."""
        if scope["type"] not in {"http", "websocket"} or not self._paths.marked(scope):
            return Match.NONE, {}
        return super().matches(scope)
