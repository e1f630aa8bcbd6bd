"""Every test of the workspace has the fixtures of :mod:`mt_paas.testing`."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator

import pytest

pytest_plugins = ["mt_paas.testing.plugin"]


def pytest_configure() -> None:
    """Take Ctrl-C in a background job of a shell too: it would be ignored there, also by programs that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_embedded_servers_stay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove where the homes below pytest's own folder lead: root's servers can not keep their data there.

    Who removes a home removes the folder that its link leads to (:mod:`mt_paas.postgres.placement`); pytest does not.
    """
    yield
    for link in tmp_path_factory.getbasetemp().rglob("data"):
        if link.is_symlink() and link.readlink().parent.name.startswith("mt-paas-"):
            shutil.rmtree(link.readlink().parent, ignore_errors=True)
