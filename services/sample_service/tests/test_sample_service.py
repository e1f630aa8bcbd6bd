from __future__ import annotations

from pathlib import Path

from mt_paas import Manifest

PACKAGE = Path(__file__).parents[1] / "sample_service"


def test_a_service_takes_fewer_than_thirty_lines():
    lines = (PACKAGE / "app.py").read_text().splitlines()

    own = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(own) < 30


def test_the_manifest_is_right():
    assert Manifest.load(PACKAGE / "manifest.yaml").service.id == "sample_service"
