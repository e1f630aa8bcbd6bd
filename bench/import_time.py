"""How long ``import mt_paas`` takes, beside importing alone what it is built on, pydantic and httpx2.

Each statement is timed in fresh processes, in turns, and the best of its runs counts: the one that was disturbed least.
Run it with ``uv run python bench/import_time.py [runs]``.
"""

from __future__ import annotations

import subprocess
import sys

STATEMENTS = {
    "import pydantic, httpx2": "import pydantic, httpx2; pydantic.BaseModel; httpx2.AsyncClient",
    "import mt_paas": "import mt_paas",
    "import mt_paas.standard_api": "import mt_paas.standard_api",
    "from mt_paas import StandardAPIClient": "from mt_paas import StandardAPIClient",
}
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def seconds(statement: str) -> float:
    command = [sys.executable, "-c", TIMED.format(statement)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - our own statements


def main(runs: int) -> None:
    best = dict.fromkeys(STATEMENTS, float("inf"))
    for _ in range(runs):
        for name, statement in STATEMENTS.items():
            best[name] = min(best[name], seconds(statement))
    peer = next(iter(best.values()))
    print(f"best of {runs}, Python {sys.version.split()[0]}")
    for name, took in best.items():
        print(f"{took * 1000:8.1f} ms  {took / peer:5.2f} ×  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
