"""What tenants use, counted: :class:`UsageMeters` counts, a journal on disk keeps it, the registry sums it up by day.

``journal`` is files and nothing else; ``store`` is the queries; ``meters`` brings both together. The guarantees are in
``docs/explanation/usage.md``.
"""

from __future__ import annotations

from mt_paas.core.usage.meters import UsageMeters
from mt_paas.core.usage.store import UsageStore

__all__ = ["UsageMeters", "UsageStore"]
