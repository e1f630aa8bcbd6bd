"""The links that a service hands out, over HTTP: an administrator's set-up, a user's log-in, a tenant's export.

Opening the set-up page uses nothing up, so that mail scanners and previews do no harm; pressing its button does. The
page is one file in Korean and English without anything from elsewhere. A log-in link is for the next minute, and works
by being opened. The addresses hold tokens, hence the filter that keeps them out of uvicorn's access log.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable
from html import escape
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel

from mt_paas.core.access import SETUP_PATH, SetupLinks
from mt_paas.core.exports import EXPORT_PATH, Exports
from mt_paas.core.schemas import Tenant
from mt_paas.core.sso import COOKIE, SSO_PATH, SingleSignOn
from mt_paas.errors import ContractError
from mt_paas.standard_api.answers import ContractRoute

__all__ = ["HideSetupTokens", "create_access_router"]

LOGOUT_PATH = "/access/logout"

_SCRIPT = """
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button, failed] = [document.querySelector("button"), document.querySelector("#failed")];
  button.disabled = true;
  failed.hidden = true;
  try {
    const answer = await fetch(location.href, {method: "POST"});
    const body = await answer.json();
    document.querySelector("form").hidden = true;
    failed.hidden = answer.ok;
    document.querySelector("#done").hidden = !answer.ok;
    document.querySelector("output").textContent = answer.ok ? body.access_key : "";
    document.querySelector("#why").textContent = answer.ok ? "" : body.message;
  } catch {
    failed.hidden = false;
    button.disabled = false;
  }
});
"""
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.6 system-ui,'Noto Sans KR','Malgun Gothic',sans-serif;max-width:36rem;margin:4rem auto;"
    "padding:0 1.25rem;word-break:keep-all;overflow-wrap:anywhere}"
    "h1{font-size:1.5rem;line-height:1.3}h1 small{display:block;font-size:1rem;font-weight:normal}"
    "[lang=en]{opacity:.75}.whose{font-weight:bold}"
    "button{font:inherit;padding:.6rem 1.5rem;border:0;border-radius:.4rem;background:#1a56b0;color:#fff}"
    "button{cursor:pointer}"
    "button:disabled{opacity:.5;cursor:default}button:focus-visible{outline:3px solid #7aa7ea;outline-offset:2px}"
    "output{display:block;padding:.75rem 1rem;border:1px solid;border-radius:.4rem;font-family:monospace;"
    "user-select:all;word-break:break-all}"
)
_HEAD = f"""<!doctype html>
<html lang="ko">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>관리자 설정 · Administrator set-up</title>
<style>{_STYLE}</style>
<h1>관리자 설정 <small lang="en">Administrator set-up</small></h1>
"""


def _page(tenant: Tenant) -> str:
    """Return the page of a link that can be used: nothing happens until its button is pressed."""
    return f"""{_HEAD}
<p class="whose">{escape(tenant.name)} <span lang="en">({tenant.tenant_id})</span></p>
<p>접속 키를 만듭니다. 키는 한 번만 표시되며 이 링크는 한 번만 쓸 수 있습니다.</p>
<p lang="en">This makes your access key. It is shown once, and this link works once.</p>
<form method="post"><button>접속 키 만들기 · Make the access key</button></form>
<div id="done" hidden>
<p>접속 키입니다. 지금 안전한 곳에 옮겨 두세요. <span lang="en">Your access key. Keep it in a safe place now.</span></p>
<p><output></output></p>
</div>
<div id="failed" hidden>
<p>만들지 못했습니다. 링크를 이미 썼거나 기한이 지났을 수 있습니다.</p>
<p lang="en">It could not be made. <span id="why"></span></p>
</div>
<script>{_SCRIPT}</script>
</html>
"""


def _refusal(error: ContractError) -> str:
    """Return the page of a link that can not be used."""
    return f"""{_HEAD}
<p>이 링크는 쓸 수 없습니다. 이미 썼거나 기한이 지났을 수 있습니다. 마켓의 담당자에게 새 링크를 요청하세요.</p>
<p lang="en">{escape(error.message)} Ask whoever sent it to you for a new one.</p>
</html>
"""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


_SILENT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}

HomeOf = Callable[[str], str]


class AccessKey(BaseModel):
    """The answer to a redeemed set-up link. The key is shown this once."""

    tenant_id: str
    access_key: str


def create_access_router(links: SetupLinks, sign_on: SingleSignOn, exports: Exports, home: HomeOf) -> APIRouter:
    """Return the router of ``/access``. ``home`` tells where a tenant's users enter."""
    router = APIRouter(tags=["access"], route_class=ContractRoute)
    cookie_path = urlsplit(sign_on.base_url).path or "/"

    @router.get(SETUP_PATH, response_class=HTMLResponse, summary="The page of a set-up link")
    async def show_page(
        request: Request, tenant_id: Annotated[str, Query()], token: Annotated[str, Query()]
    ) -> HTMLResponse:
        try:
            tenant = await links.check(tenant_id, token)
        except ContractError as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            return HTMLResponse(_refusal(error), error.status, headers=_HEADERS)  # somebody looks at it in a browser
        return HTMLResponse(_page(tenant), headers=_HEADERS)

    @router.post(SETUP_PATH, response_model=AccessKey, summary="Use a set-up link up: returns the access key")
    async def redeem(tenant_id: Annotated[str, Query()], token: Annotated[str, Query()]) -> JSONResponse:
        key = AccessKey(tenant_id=tenant_id, access_key=await links.redeem(tenant_id, token))
        return JSONResponse(key.model_dump(), headers={"Cache-Control": "no-store"})

    @router.get(SSO_PATH, response_class=RedirectResponse, status_code=303, summary="Log in by a link, once")
    async def log_in(tenant_id: Annotated[str, Query()], token: Annotated[str, Query()]) -> RedirectResponse:
        came = await sign_on.redeem(tenant_id, token, home)
        answer = RedirectResponse(came.location, status_code=303, headers=_SILENT)
        answer.set_cookie(
            COOKIE,
            came.cookie,
            max_age=int(sign_on.lifetime.total_seconds()),
            path=cookie_path,
            secure=sign_on.base_url.startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return answer

    @router.post(LOGOUT_PATH, status_code=204, summary="End the session")
    async def log_out(request: Request) -> Response:
        if cookie := request.cookies.get(COOKIE):
            await sign_on.log_out(cookie)
        answer = Response(status_code=204, headers=_SILENT)
        answer.delete_cookie(COOKIE, path=cookie_path)
        return answer

    @router.get(EXPORT_PATH, response_class=FileResponse, summary="Fetch an export by its link")
    async def fetch(operation_id: Annotated[str, Query()], token: Annotated[str, Query()]) -> FileResponse:
        path, tenant_id = await exports.find(operation_id, token)
        return FileResponse(path, media_type="application/jsonl", filename=f"{tenant_id}.jsonl", headers=_SILENT)

    return router


class HideSetupTokens(logging.Filter):
    """Takes the token of a link out of what uvicorn logs about a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's texts; every record passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"([?&]token=)[^&\s]*", r"\1…", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True
