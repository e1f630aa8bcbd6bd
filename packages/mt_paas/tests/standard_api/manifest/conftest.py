from __future__ import annotations

from pathlib import Path

import pytest

KELI = Path(__file__).with_name("keli_tutor.yaml")


@pytest.fixture(scope="session")
def keli() -> str:
    """The manifest of keli_tutor, as its author printed it."""
    return KELI.read_text(encoding="utf-8")
