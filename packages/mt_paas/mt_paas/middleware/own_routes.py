"""The library's own routes in an app, and how a request to the app's passes them: with one look at its path."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI
from starlette.routing import Match
from starlette.types import Scope

from mt_paas.middleware.traffic import OpenPaths

__all__ = ["include_own_routes"]


def include_own_routes(app: FastAPI, own: APIRouter, paths: OpenPaths) -> None:
    """Include ``own``, whose routes are all at ``paths``, or below those that end with a slash.

    Starlette asks each route in turn whether a request is its own, and the Standard API has more of them than most
    services: that took longer than a small handler.
    """
    several = len(app.router.routes)
    app.include_router(own)
    for route in app.router.routes[several:]:
        route.matches = _only_at(paths, route.matches)  # type: ignore[method-assign, assignment]  # FastAPI alone makes such routes


def _only_at(paths: OpenPaths, ask: Callable[[Scope], tuple[Match, Scope]]) -> Callable[[Scope], tuple[Match, Scope]]:
    def matches(scope: Scope) -> tuple[Match, Scope]:
        return ask(scope) if paths.marked(scope) else (Match.NONE, {})

    return matches
