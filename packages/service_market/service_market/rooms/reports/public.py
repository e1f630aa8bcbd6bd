"""The door of reports for its neighbours."""

from __future__ import annotations

from service_market.rooms.reports.service import give_callback

__all__ = ["give_callback"]
