"""Links that a service hands out: followed without the key, where the service can be reached."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from mt_paas.conformance.expect import Answer
from mt_paas.conformance.trial import Trial

__all__ = ["altered", "follow_link", "link_in"]

_LINK = re.compile(r"https?://\S+")


async def follow_link(t: Trial, link: str) -> Answer:
    """Get a link as a browser would, without the key and without following redirects.

    A link below the manifest's ``base_url`` is taken to the target, which may be the same service at another address.
    One that leads to another host is not followed, and the check is skipped: what a service names there is not under
    test, and may be what only this machine can reach.
    """
    content = t.target.document.content if t.target.document else None
    endpoints = (content or {}).get("endpoints")
    base = str(endpoints.get("base_url", "")).rstrip("/") if isinstance(endpoints, dict) else ""
    if base and link.startswith((f"{base}/", f"{base}?")):
        link = t.target.url + link.removeprefix(base)
    if urlsplit(link)[:2] != urlsplit(t.target.url)[:2]:
        t.skip(f"the link leads to {urlsplit(link).netloc}, which is not under test")
    return await t.send("GET", link, key=None)


def link_in(value: Any) -> str | None:
    """Return the first web address among the members of an answer."""
    if isinstance(value, str):
        return value if _LINK.fullmatch(value) else None
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((link for part in parts if (link := link_in(part))), None)


def altered(link: str) -> str:
    """Return the link with another last character: a link that the service never gave."""
    return link[:-1] + ("A" if link[-1] != "A" else "B")
