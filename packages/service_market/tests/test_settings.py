"""Where settings come from, and which of two places counts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
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


class TestWhereServicesReachTheMarket:
    def test_is_where_it_listens_unless_it_is_told(self):
        assert Settings().reached_at == "http://127.0.0.1:8505"
        assert Settings(api={"host": "::", "port": 9000}).reached_at == "http://[::1]:9000"
        assert Settings(api={"host": "0.0.0.0"}).reached_at == "http://127.0.0.1:8505"  # noqa: S104 - no one listens
        assert Settings(api={"host": "10.0.0.7"}).reached_at == "http://10.0.0.7:8505"

    def test_is_what_it_is_told_without_the_last_slash(self, monkeypatch):
        monkeypatch.setenv("MARKET_PUBLIC_URL", "https://edu.example/market/")
        assert Settings().reached_at == "https://edu.example/market"

    @pytest.mark.parametrize("wrong", ["market.example", "ftp://market.example", "https://", "https://x.example/?a=b"])
    def test_is_an_address_of_the_web(self, wrong):
        with pytest.raises(ValidationError, match="public_url"):
            Settings(public_url=wrong)

    def test_must_be_told_in_production(self):
        production = {"environment": "production", "secret_keys": ["k" * 32]}
        with pytest.raises(ValidationError, match="production needs MARKET_PUBLIC_URL"):
            Settings(**production)
        assert Settings(**production, public_url="https://market.example").reached_at == "https://market.example"
