"""How long the conformance tester takes, and how much of that is its own work: full profile, three services.

Each service runs in a process of its own. The limit beside the tester is the service itself: the CPU seconds of its
process tree against those of the tester in the same run. Usage: ``python bench/conformance.py``.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mt_paas.conformance import Report, Status, run

SERVICES = ("plain_service.app:app", "sample_service.app:app", "mt_paas.testing.fake:FakeService")
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    key = secrets.token_urlsafe(32)
    print(
        f"{'service':<36} {'checks':>6} {'wall s':>7} {'tester CPU s':>13} {'service CPU s':>14} {'tester/service':>15}"
    )
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as home:
            url, process = start(service, key, Path(home))
            try:
                report, wall, own, theirs = measured(url, key, process.pid)
            finally:
                process.terminate()
                process.wait()
        tried = sum(check.status is not Status.SKIP for check in report.checks)
        verdict = "" if report.conforms else "  DOES NOT CONFORM"
        print(f"{service:<36} {tried:>6} {wall:>7.2f} {own:>13.2f} {theirs:>14.2f} {own / theirs:>15.2f}{verdict}")


def start(service: str, key: str, home: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a service on a free port; the fake one is told its key by a small module beside its data."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    module, _, name = service.partition(":")
    if name == "FakeService":
        (home / "fake_app.py").write_text(f"from {module} import {name}\n\napp = {name}(api_key={key!r})\n")
        module, name = "fake_app", "app"
    clean = {each: value for each, value in os.environ.items() if not each.startswith(("MT_", "DATABASE_"))}
    process = subprocess.Popen(  # noqa: S603 - our own services
        [sys.executable, "-m", "uvicorn", f"{module}:{name}", "--port", str(port), "--log-level", "warning"],
        cwd=home,
        env=clean | {"MT_API_KEYS": key, "MT_HOME": str(home / "data"), "PYTHONPATH": str(home)},
    )
    return f"http://127.0.0.1:{port}", process


def measured(url: str, key: str, pid: int) -> tuple[Report, float, float, float]:
    """Return the report, the wall-clock seconds, and the CPU seconds of the tester and of the service."""
    asyncio.run(run(url, key, only=["Health Check"], wait=60))  # it has started, and the checks are imported
    began, own, theirs = time.perf_counter(), time.process_time(), tree_cpu(pid)
    report = asyncio.run(run(url, key))
    return report, time.perf_counter() - began, time.process_time() - own, tree_cpu(pid) - theirs


def tree_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and all that it started, those that ended included (Linux)."""
    total = 0.0
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        waiting += parents.get(each, [])
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / TICKS
    return total


if __name__ == "__main__":
    main()
