"""Every test of the workspace has the fixtures of :mod:`mt_paas.testing`."""

from __future__ import annotations

pytest_plugins = ["mt_paas.testing.plugin"]
