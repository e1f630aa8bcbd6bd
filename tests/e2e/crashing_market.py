"""A market in a process of its own, which kills itself (SIGKILL) at the step that a file names.

Run as ``python crashing_market.py PORT FILE``. Everything else is what ``market up`` runs: API, worker, database.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvicorn
from service_market.assembly import assemble, management_database
from service_market.core import log
from service_market.main import create_app
from service_market.migrations.upgrade import upgrade
from service_market.rooms.identity.public import bootstrap_operator
from service_market.settings import Settings


async def run(port: int, kill_at: Path) -> None:
    async def checkpoint(name: str) -> None:
        if kill_at.read_text() == name:  # noqa: ASYNC240 - it may as well block: this is where it dies
            os.kill(os.getpid(), signal.SIGKILL)

    log.configure()
    settings = Settings()
    async with management_database(settings) as addresses:
        await asyncio.to_thread(upgrade, addresses)
        market = assemble(settings, addresses, checkpoint=checkpoint)
        token_file = settings.home / "token"
        if not token_file.exists():
            async with market.kernel.unit() as uow:
                token = await bootstrap_operator(uow, name="the operator")
            token_file.write_text(token)
        server = uvicorn.Server(uvicorn.Config(create_app(market), port=port, log_config=None, lifespan="off"))
        work = asyncio.create_task(market.work())
        await server.serve()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await market.close()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2])))
