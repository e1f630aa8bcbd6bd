"""A right service of version 1 on the standard library alone: the four required calls, and nothing else.

No manifest, no usage, no problem documents, no request ids; errors are `{error, message}`, and a reason for a refused
body stands in the message. What a vendor writes in an afternoon in any language, and on whom no check may call out.
"""

from __future__ import annotations

import hmac
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

KEY = "a-key-for-plain-tests-0123456789"
PLANS = ("basic", "premium")
_PATH = re.compile(r"/mt/tenant/([^/]+)/(activate|deactivate|status)")
_TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAX_BODY = 1024 * 1024


class Refusal(Exception):
    """A status, an error word, and what to say."""


class PlainHandler(BaseHTTPRequestHandler):
    """Answers the four calls, over the tenants of the server."""

    protocol_version = "HTTP/1.1"
    server: PlainServer

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        try:
            status, content = 200, self._do(method, urlsplit(self.path).path, raw)
        except Refusal as refusal:
            status, word, message = refusal.args
            content = {"error": word, "message": message}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _do(self, method: str, path: str, raw: bytes) -> dict[str, Any]:
        if path == "/mt/health" and method == "GET":
            return {"status": "healthy", "version": "1.0", "timestamp": _time(datetime.now(UTC))}
        match = _PATH.fullmatch(path)
        if match is None:
            raise Refusal(404, "not_found", "There is nothing here.")
        given = self.headers.get_all("X-Market-API-Key") or []
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), KEY.encode()):
            raise Refusal(401, "invalid_api_key", "The key is wrong.")
        if method != ("GET" if match[2] == "status" else "POST"):
            raise Refusal(405, "method_not_allowed", "Not by this method.")
        tenant_id = unquote(match[1])
        if not _TENANT_ID.fullmatch(tenant_id):
            raise Refusal(422, "invalid_tenant_id", "This is no tenant id.")
        if match[2] == "status":
            return self.server.tenants.status(tenant_id)
        if len(raw) > _MAX_BODY:
            raise Refusal(413, "body_too_large", "The body is too large.")
        body = _object(raw)
        if match[2] == "activate":
            return self.server.tenants.activate(tenant_id, _valid(body, _ACTIVATION), self.server.url)
        return self.server.tenants.deactivate(tenant_id, _valid(body, _DEACTIVATION))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


class Tenants:
    """What the service keeps: all in memory, one call at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: dict[str, dict[str, Any]] = {}
        self._erased: set[str] = set()

    def status(self, tenant_id: str) -> dict[str, Any]:
        with self._lock:
            tenant = self._find(tenant_id)
            return {
                "tenant_id": tenant_id,
                "status": tenant["state"],
                "plan": tenant["body"]["plan"],
                "created_at": _time(tenant["created_at"]),
                "users": {"total": 1, "active_today": 0},
                "storage": {"used_gb": 0, "limit_gb": tenant["body"].get("config", {}).get("storage_limit_gb")},
            }

    def activate(self, tenant_id: str, body: dict[str, Any], url: str) -> dict[str, Any]:
        if body["tenant_id"] != tenant_id:
            raise Refusal(422, "tenant_id_mismatch", "The path and the body disagree.")
        if body["plan"] not in PLANS:
            raise Refusal(422, "invalid_plan", "There is no such plan.")
        known = {name: body.get(name) for name in ("tenant_name", "plan", "features", "config", "admin")}
        with self._lock:
            try:
                tenant = self._find(tenant_id)
            except Refusal:
                tenant = self._tenants[tenant_id] = {"created_at": datetime.now(UTC)}
            else:
                if tenant["state"] == "active" and tenant["known"] != known:
                    raise Refusal(409, "tenant_already_exists", "The tenant is there, with another body.")
            tenant |= {"state": "active", "known": known, "body": body, "close_at": None, "deadline": None}
        return {"status": "activated", "tenant_id": tenant_id, "access_url": f"{url}/{tenant_id}"}

    def deactivate(self, tenant_id: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._settle(tenant_id)
            if tenant_id in self._erased and tenant_id not in self._tenants:
                return {"status": "deactivated", "tenant_id": tenant_id, "data_preserved": False}
            tenant, now = self._find(tenant_id), datetime.now(UTC)
            keeps, at = body["preserve_data"], _parsed(body.get("deactivate_at")) or now
            if tenant["state"] == "active":
                tenant |= {"close_at": at, "deadline": max(at, now) + timedelta(days=30)}
            tenant["keeps"] = keeps
            is_scheduled = tenant["state"] == "active" and at > now
            deadline = tenant["deadline"]
            self._settle(tenant_id)
        return {
            "status": "scheduled" if is_scheduled else "deactivated",
            "tenant_id": tenant_id,
            "data_preserved": keeps,
            "reactivation_deadline": _time(deadline) if keeps else None,
        }

    def _find(self, tenant_id: str) -> dict[str, Any]:
        self._settle(tenant_id)
        if tenant_id not in self._tenants:
            raise Refusal(404, "tenant_not_found", "There is no such tenant.")
        return self._tenants[tenant_id]

    def _settle(self, tenant_id: str) -> None:
        """Close a tenant whose time has come; forget one whose data nobody keeps."""
        tenant = self._tenants.get(tenant_id)
        if tenant is not None and tenant["close_at"] is not None and tenant["close_at"] <= datetime.now(UTC):
            tenant["state"], tenant["close_at"] = "deactivated", None
        if tenant is not None and tenant["state"] == "deactivated" and not tenant["keeps"]:
            del self._tenants[tenant_id]
            self._erased.add(tenant_id)


class PlainServer(ThreadingHTTPServer):
    """The service, on a port of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PlainHandler)
        self.tenants = Tenants()
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def plain_service() -> Iterator[str]:
    """Run the service in a thread, and yield its address."""
    with PlainServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_limit(value: Any, is_right: Callable[[Any], bool], least: int) -> bool:
    return value is None or (is_right(value) and value >= least)


def _is_email(value: Any) -> bool:
    return isinstance(value, str) and bool(_EMAIL.fullmatch(value))


def _is_moment(value: Any) -> bool:
    return value is None or _parsed(value) is not None


# Each member of a body, its path: whether it is required, and what it must be.
_ACTIVATION = {
    "tenant_id": (True, lambda value: isinstance(value, str) and _TENANT_ID.fullmatch(value)),
    "tenant_name": (True, _is_text),
    "plan": (True, _is_text),
    "features": (False, lambda value: isinstance(value, list) and all(map(_is_text, value))),
    "config": (False, lambda value: isinstance(value, dict)),
    "config.max_users": (False, lambda value: _is_limit(value, _is_whole, 1)),
    "config.storage_limit_gb": (False, lambda value: _is_limit(value, _is_number, 0)),
    "admin": (True, lambda value: isinstance(value, dict)),
    "admin.email": (True, _is_email),
    "admin.name": (True, _is_text),
}
_DEACTIVATION = {
    "reason": (True, lambda value: value in ("subscription_expired", "admin_request", "violation")),
    "preserve_data": (True, lambda value: isinstance(value, bool)),
    "deactivate_at": (False, _is_moment),
}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(422, "invalid_body", "The body is no JSON object.")
    return body


def _valid(body: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
    """Return the body. Raises ``Refusal`` with the path of every fault."""
    faults = []
    for path, (is_required, is_right) in members.items():
        *outer, name = path.split(".")
        holder = body.get(outer[0]) if outer else body
        holder = holder if isinstance(holder, dict) else {}
        if (is_required or name in holder) and not is_right(holder.get(name)):
            faults.append(path)
    if faults:
        raise Refusal(422, "invalid_body", f"These members are missing or wrong: {', '.join(faults)}")
    return body


def _parsed(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text.upper() else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
