"""What a service calls by itself: the market that sells it."""

from __future__ import annotations

from mt_paas.integrations.marketplace import MarketplaceClient

__all__ = ["MarketplaceClient"]
