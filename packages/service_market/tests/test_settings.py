"""Where settings come from, and which of two places counts."""

from __future__ import annotations

import pytest
from service_market.settings import Settings

OURS, SHARED, GIVEN = (f"postgresql://market@db.example/{name}" for name in ("ours", "shared", "given"))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("MARKET_DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", SHARED)


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


class TestDatabaseUrl:
    def test_the_variable_that_others_read_too_is_enough(self):
        assert url_of(Settings()) == SHARED

    def test_the_markets_own_variable_counts_before_it(self, monkeypatch):
        monkeypatch.setenv("MARKET_DATABASE_URL", OURS)
        assert url_of(Settings()) == OURS

    def test_what_is_handed_in_counts_before_both(self, monkeypatch):
        monkeypatch.setenv("MARKET_DATABASE_URL", OURS)
        assert url_of(Settings(database_url=GIVEN)) == GIVEN

    def test_an_empty_variable_is_none(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "")
        assert Settings().database_url is None
