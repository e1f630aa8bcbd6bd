"""The page of a set-up link, as a browser asks for it; it was looked at in one."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MARKET_KEY = {"X-Market-API-Key": "the-markets-key-0123456789"}


@pytest.fixture
async def link(service):
    """The set-up link of a tenant whose name is not kind to pages."""
    body = {
        "tenant_id": "hallym_univ",
        "tenant_name": "<script>alert('한림')</script>",
        "plan": "basic",
        "admin": {"email": "a@b.kr", "name": "A"},
    }
    answer = await service.client.post("/mt/tenant/hallym_univ/activate", json=body, headers=MARKET_KEY)
    return answer.json()["admin_credentials"]["setup_url"].removeprefix("http://notes.example")


class TestPage:
    async def test_says_whose_key_it_makes_and_quotes_no_markup(self, service, link):
        page = await service.client.get(link, headers=BROWSER)

        assert page.status_code == 200
        assert "&lt;script&gt;alert(&#x27;한림&#x27;)&lt;/script&gt;" in page.text
        assert "hallym_univ" in page.text

    async def test_runs_its_own_script_and_style_and_no_others(self, service, link):
        page = await service.client.get(link, headers=BROWSER)

        for tag, directive in (("script", "script-src"), ("style", "style-src")):
            [within] = re.findall(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(within.encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}';" in page.headers["content-security-policy"]

    async def test_of_a_link_that_is_over_is_for_people_in_a_browser_and_an_error_for_programs(self, service, link):
        page = await service.client.get(link + "x", headers=BROWSER)
        answer = await service.client.get(link + "x")

        assert (page.status_code, page.headers["content-type"]) == (410, "text/html; charset=utf-8")
        assert "이 링크는 쓸 수 없습니다" in page.text
        assert "The link was used before, or its time is over." in page.text
        assert (answer.status_code, answer.json()["error"]) == (410, "link_expired")
