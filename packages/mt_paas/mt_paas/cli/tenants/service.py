"""Where the service is whose tenants a command works on, and its manager for as long as the command takes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop

if TYPE_CHECKING:
    from mt_paas.core.manager import TenantManager
    from mt_paas.setup import MultiTenant

__all__ = ["AppOption", "load", "managing", "started"]

AppOption = Annotated[
    str,
    typer.Option(
        "--app", metavar="MODULE:NAME", envvar="MT_APP", help="The service's FastAPI app, from the current folder."
    ),
]


@asynccontextmanager
async def managing(name: str) -> AsyncIterator[TenantManager]:
    """Start the manager of the service that ``load`` finds; no request is served and nothing else is begun."""
    async with started(load(name)) as manager:
        yield manager


@asynccontextmanager
async def started(service: MultiTenant) -> AsyncIterator[TenantManager]:
    """Start the service's manager. Raises ``Stop`` where PostgreSQL refuses to, as when a migration fails for all."""
    from sqlalchemy.exc import DBAPIError

    from mt_paas.core.migrations.one import words_of

    async with AsyncExitStack() as stack:
        try:
            manager = await stack.enter_async_context(service.managing())
        except DBAPIError as error:
            raise Stop(
                ExitCode.FAILED,
                f"the service can not start, and no tenant was opened; PostgreSQL refused, for what new tenants begin"
                f" with or for its own tables: {words_of(error)}",
            ) from None
        yield manager


def load(name: str) -> MultiTenant:
    """Return the service at ``module:name``, as a server of ASGI apps is told it. Raises ``Stop`` where none is."""
    from mt_paas.setup import MultiTenant

    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise Stop(
            ExitCode.UNUSABLE, f"there is no module {module} here: say where the service is, --app package.module:app"
        ) from None
    app = getattr(found, attribute or "app", None)
    service = getattr(getattr(app, "state", None), "mt_paas", None)
    if not isinstance(service, MultiTenant):
        raise Stop(ExitCode.UNUSABLE, f"{module}:{attribute or 'app'} is no app that setup_multi_tenant was given")
    return service
