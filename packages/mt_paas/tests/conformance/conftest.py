"""The tests of the tester import the package ``mutants``, which stands beside them, and share a right service."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mt_paas.testing.doubles import FakeService, serve

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def first_version():
    async with serve(service := FakeService(version="1.0")) as url:
        yield service, url
