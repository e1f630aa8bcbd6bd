"""``python -m service_market.cli``: the command ``market`` where no script of that name is on the path."""

from __future__ import annotations

from service_market.cli import main

main()
