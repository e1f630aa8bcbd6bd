"""The set-up link over HTTP: a page with one button, and what the button calls.

Opening the page uses nothing up, so that mail scanners and previews do no harm; pressing the button does. The page is
one file in Korean and English without anything from elsewhere. Its address holds the token, hence the filter that
keeps it out of uvicorn's access log.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from mt_paas.core.access import SETUP_PATH, SetupLinks
from mt_paas.standard_api.answers import ContractRoute

__all__ = ["HideSetupTokens", "create_access_router"]

_SCRIPT = """
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch(location.href, {method: "POST"});
  const body = await answer.json();
  document.querySelector("form").hidden = true;
  document.querySelector(answer.ok ? "#done" : "#failed").hidden = false;
  document.querySelector("output").textContent = answer.ok ? body.access_key : body.message;
});
"""
_STYLE = (
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}"
    "output{word-break:break-all;font-family:monospace}button{font:inherit;padding:.5rem 1.5rem}"
)
_PAGE = f"""<!doctype html>
<html lang="ko">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>관리자 설정 · Administrator set-up</title>
<style>{_STYLE}</style>
<h1>관리자 설정</h1>
<p>접속 키를 만듭니다. 키는 한 번만 표시되며 이 링크는 한 번만 쓸 수 있습니다.</p>
<p lang="en">This makes your access key. It is shown once, and this link works once.</p>
<form method="post"><button>접속 키 만들기 · Make the access key</button></form>
<p id="done" hidden>접속 키 · Your access key</p>
<p id="failed" hidden>만들지 못했습니다 · It could not be made</p>
<p><output></output></p>
<script>{_SCRIPT}</script>
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


class AccessKey(BaseModel):
    """The answer to a redeemed set-up link. The key is shown this once."""

    tenant_id: str
    access_key: str


def create_access_router(links: SetupLinks) -> APIRouter:
    """Return the router of ``/access/setup``."""
    router = APIRouter(tags=["access"], route_class=ContractRoute)

    @router.get(SETUP_PATH, response_class=HTMLResponse, summary="The page of a set-up link")
    async def show_page(tenant_id: Annotated[str, Query()], token: Annotated[str, Query()]) -> HTMLResponse:
        await links.check(tenant_id, token)
        return HTMLResponse(_PAGE, headers=_HEADERS)

    @router.post(SETUP_PATH, response_model=AccessKey, summary="Use a set-up link up: returns the access key")
    async def redeem(tenant_id: Annotated[str, Query()], token: Annotated[str, Query()]) -> JSONResponse:
        key = AccessKey(tenant_id=tenant_id, access_key=await links.redeem(tenant_id, token))
        return JSONResponse(key.model_dump(), headers={"Cache-Control": "no-store"})

    return router


class HideSetupTokens(logging.Filter):
    """Takes the token of a set-up link out of what uvicorn logs about a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's texts; every record passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"([?&]token=)[^&\s]*", r"\1…", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True
