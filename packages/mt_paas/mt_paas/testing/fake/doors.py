"""The doors of a fake service, through which people come: set-up links, single sign-on, the tenant's own page.

A link holds a random token, of which only the digest is kept. A set-up link may be looked at (mail programs do) and is
used up by its button; a link of single sign-on is used up when it is opened. Whatever is wrong with a link, the answer
is the same 410, so that nobody learns which tokens there were.
"""

from __future__ import annotations

from datetime import timedelta
from html import escape
from urllib.parse import urljoin, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mt_paas.errors import InvalidBody, TenantBlocked, UserNotFound
from mt_paas.standard_api.models import AdminCredentials, SsoRequest, SsoResponse, TenantState, UserStatus
from mt_paas.testing.fake.events import Events
from mt_paas.testing.fake.state import Link
from mt_paas.utils.security import digest_token

__all__ = ["Doors"]

_SET_UP_LIFETIME = timedelta(days=7)
_LAUNCH_LIFETIME = timedelta(seconds=60)
_SESSION_LIFETIME = timedelta(hours=8)
_HIDDEN = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Doors(Events):
    """Links for people, and the pages that they open."""

    async def create_sso_link(self, tenant_id: str, request: SsoRequest) -> SsoResponse:
        """Return a link that logs the user in once, within a minute. A new address becomes a user, if there is room."""
        tenant = self.existing(tenant_id)
        if tenant.state is not TenantState.ACTIVE:
            raise TenantBlocked(code=f"tenant_{tenant.state}")
        wanted = request.return_to or "/"
        target = tenant.access_url if wanted == "/" else urljoin(f"{self.public_url}/", wanted.replace("\\", "/"))
        if urlsplit(target)[:2] != urlsplit(self.public_url)[:2]:
            message = "it leads to another host; give a path of this service"
            raise InvalidBody(f"return_to: {message}", details=[{"path": "return_to", "message": message}])
        user = self.user_of(tenant, request.user.email)
        if user is None:
            self.require_room(tenant)
            user = self.add_user(tenant, request.user.email, request.user.name, request.user.role, active=False)
        elif user.status is UserStatus.DISABLED:
            raise UserNotFound("No user with this address may log in.")
        launch_url, expires_at = self.new_link("sso", tenant_id, _LAUNCH_LIFETIME, (user.id, target))
        return SsoResponse(launch_url=launch_url, expires_at=expires_at)

    def set_up_link(self, tenant_id: str) -> AdminCredentials:
        """Return a new link by which the administrator begins."""
        setup_url, expires_at = self.new_link("setup", tenant_id, _SET_UP_LIFETIME)
        return AdminCredentials(setup_url=setup_url, expires_at=expires_at)

    def doors(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            Route("/setup/{token}", self._set_up, methods=["GET", "POST"]),
            Route("/sso/{token}", self._launch, methods=["GET"]),
            Route("/app/{tenant_id}", self._app, methods=["GET"]),
        ]

    def opened(self, kind: str, token: str) -> Link | None:
        """Return what a token opens at this moment; None if it opens nothing."""
        link = self.links.get(digest_token(token))
        if link is None or link.kind != kind or link.expires_at <= self.clock():
            return None
        tenant = self._settled(link.tenant_id)
        return link if tenant is not None and tenant.state is TenantState.ACTIVE else None

    async def _set_up(self, request: Request) -> Response:
        token = request.path_params["token"]
        link = self.opened("setup", token)
        if link is None:
            return gone()
        if request.method != "POST":
            return _page("Set up your tenant", '<form method="post"><button>Begin</button></form>')
        del self.links[digest_token(token)]
        admin = self.tenants[link.tenant_id].request.admin
        return self._logged_in(link.tenant_id, admin.email, f"{self.public_url}/app/{link.tenant_id}")

    async def _launch(self, request: Request) -> Response:
        token = request.path_params["token"]
        link = self.opened("sso", token)
        if link is None:
            return gone()
        if request.method == "HEAD":  # a program that looks where links lead uses nothing up
            return Response(headers=_HIDDEN)
        del self.links[digest_token(token)]
        user_id, target = link.payload
        user = self.tenants[link.tenant_id].users.get(user_id)
        return self._logged_in(link.tenant_id, user.email, target) if user else gone()

    async def _app(self, request: Request) -> Response:
        tenant_id = request.path_params["tenant_id"]
        tenant = self._settled(tenant_id)
        if tenant is None:
            return _page("There is no such tenant", "", status=404)
        if tenant.state is not TenantState.ACTIVE:
            return _page("This tenant is not open at the moment", "", status=403)
        session = self.opened("session", request.cookies.get("session", ""))
        user = tenant.users.get(session.payload) if session and session.tenant_id == tenant_id else None
        who = f"<p>{escape(user.name)}" if user else "<p>Log in by the link that you were given."
        return _page(tenant.request.tenant_name, who)

    def _logged_in(self, tenant_id: str, email: str, target: str) -> Response:
        tenant = self.tenants[tenant_id]
        user = self.user_of(tenant, email)
        if user is None or user.status is UserStatus.DISABLED:
            return gone()
        changes = {"status": UserStatus.ACTIVE, "last_active_at": self.clock()}
        tenant.users[user.id] = user.model_copy(update=changes)
        session, _ = self.new_link("session", tenant_id, _SESSION_LIFETIME, user.id)
        response = RedirectResponse(target, status_code=303, headers=_HIDDEN)
        response.set_cookie("session", session.rpartition("/")[2], httponly=True, samesite="lax")
        return response


def gone() -> Response:
    """Return the answer to a link that opens nothing."""
    return _page("This link was used before, or its time is over", "", status=410)


def _page(title: str, body: str, *, status: int = 200) -> Response:
    heading = escape(title)
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title><h1>{heading}</h1>{body}</html>'
    )
    return HTMLResponse(text, status, _HIDDEN | {"Content-Security-Policy": "default-src 'none'; form-action 'self'"})
