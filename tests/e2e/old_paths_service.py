"""A service from before the contract: its own paths and header, plain bodies, and passwords for its administrators.

Run as ``python old_paths_service.py PORT DATABASE``, with the key in ``API_KEY``. It stands on the standard library
alone and knows nothing of ``/mt``, of versions or of the market; its tenants are rows of an SQLite file. What it knows
of the world is three paths and a health check; the manifest in ``docs/howto/adapt-an-existing-service.md`` does the
rest.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

TABLE = """CREATE TABLE IF NOT EXISTS tenant
    (id TEXT PRIMARY KEY, name TEXT, plan TEXT, admin TEXT, password TEXT, state TEXT, made TEXT, notes TEXT)"""


class OldService(BaseHTTPRequestHandler):
    """Answers one request."""

    database: ClassVar[Path]

    def do_GET(self) -> None:
        """Answer the health check and the status of a tenant."""
        if self.path == "/api/health":
            now = datetime.now(UTC).isoformat()
            self.answer(200, {"status": "healthy", "version": "2.3.0", "timestamp": now, "uptime": "3 days"})
        elif found := re.fullmatch(r"/api/marketplace/demo/status/([a-z0-9_-]+)", self.path):
            self.with_key(lambda: self.status(found[1]))
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        """Answer the two calls that change a tenant."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        calls = {
            "/api/marketplace/demo/provision": self.provision,
            "/api/marketplace/demo/deprovision": self.deprovision,
        }
        call = calls.get(self.path)
        if call is None:
            self.answer(404, {"detail": "Not Found"})
        else:
            self.with_key(lambda: call(body))

    def with_key(self, call: Any) -> None:
        """Make the call for whoever has the key."""
        if hmac.compare_digest(self.headers.get("X-API-Key") or "", os.environ["API_KEY"]):
            call()
        else:
            self.answer(401, {"detail": "Invalid API key"})

    def provision(self, body: dict[str, Any]) -> None:
        """Make a tenant and a password for its administrator, or open the one that is there again."""
        tenant_id, password = body["tenant_id"], secrets.token_urlsafe(12)
        with self.connected() as database:
            known = database.execute("SELECT state FROM tenant WHERE id = ?", [tenant_id]).fetchone()
            if known is None:
                database.execute(
                    "INSERT INTO tenant VALUES (?, ?, ?, ?, ?, 'active', ?, 'the first note')",
                    [tenant_id, body["tenant_name"], body["plan"], body["admin"]["email"], password, self.now()],
                )
            else:
                database.execute("UPDATE tenant SET state = 'active', password = ? WHERE id = ?", [password, tenant_id])
        self.answer(
            200,
            {
                "success": True,
                "status": "activated",
                "tenant_id": tenant_id,
                "access_url": f"http://{self.headers['Host']}/chat/{tenant_id}",
                "admin_credentials": {"username": body["admin"]["email"], "temp_password": password},
            },
        )

    def deprovision(self, body: dict[str, Any]) -> None:
        """Close a tenant; delete what it wrote unless that is to be kept."""
        with self.connected() as database:
            database.execute("UPDATE tenant SET state = 'deactivated' WHERE id = ?", [body["tenant_id"]])
            if not body["preserve_data"]:
                database.execute("UPDATE tenant SET notes = NULL, admin = NULL WHERE id = ?", [body["tenant_id"]])
        answer = {"status": "deactivated", "tenant_id": body["tenant_id"], "data_preserved": body["preserve_data"]}
        self.answer(200, {"success": True, **answer})

    def status(self, tenant_id: str) -> None:
        """Tell how a tenant is."""
        with self.connected() as database:
            row = database.execute("SELECT state, plan, made FROM tenant WHERE id = ?", [tenant_id]).fetchone()
        if row is None:
            self.answer(404, {"detail": "Unknown tenant"})
            return
        state, plan, made = row
        figures = {"users": {"total": 1, "active_today": 0}, "storage": {"used_gb": 0.1}}
        self.answer(200, {"tenant_id": tenant_id, "status": state, "plan": plan, "created_at": made, **figures})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        """Send JSON."""
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @classmethod
    def connected(cls) -> closing[sqlite3.Connection]:
        """Return the database; what is changed in it is kept at once."""
        return closing(sqlite3.connect(cls.database, isolation_level=None))

    @staticmethod
    def now() -> str:
        """Return the time, in UTC."""
        return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    OldService.database = Path(sys.argv[2])
    with OldService.connected() as made:
        made.execute(TABLE)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), OldService).serve_forever()
