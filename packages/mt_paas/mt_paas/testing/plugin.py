"""The pytest plugin: every fixture of :mod:`mt_paas.testing`, by name."""

from __future__ import annotations

from mt_paas.testing.database import fresh_database, postgres_server

__all__ = ["fresh_database", "postgres_server"]
