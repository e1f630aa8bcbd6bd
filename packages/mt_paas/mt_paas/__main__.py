"""``python -m mt_paas``: the command line, where ``mt-paas`` is not on the path."""

from __future__ import annotations

from mt_paas.cli import main

main()
