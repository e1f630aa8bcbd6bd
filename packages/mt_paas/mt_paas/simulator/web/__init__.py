"""The simulator's HTTP side: a page for the developer, and the market's API for the service."""

from __future__ import annotations
