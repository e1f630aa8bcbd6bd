from __future__ import annotations

from datetime import timedelta

import pytest
from mt_paas.utils.config import Settings
from mt_paas.utils.pool_settings import PoolSettings
from pydantic import ValidationError


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in ("DATABASE_URL", "MT_DATABASE_URL", "MT_API_KEYS", "MT_SECRET_KEY", "MT_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)


class TestSettings:
    def test_an_empty_environment_is_enough_to_read_them(self):
        settings = Settings()

        assert (settings.database_url, settings.api_keys, settings.tenant_prefix) == (None, (), "tnnt_")

    def test_keys_are_separated_by_commas(self, monkeypatch):
        monkeypatch.setenv("MT_API_KEYS", "one, two,")

        assert [key.get_secret_value() for key in Settings().api_keys] == ["one", "two"]

    def test_the_database_has_a_name_of_its_own_and_the_usual_one(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://usual/db")
        usual = Settings().database_url
        monkeypatch.setenv("MT_DATABASE_URL", "postgresql://own/db")
        own = Settings().database_url

        assert usual is not None
        assert own is not None
        assert (usual.get_secret_value(), own.get_secret_value()) == ("postgresql://usual/db", "postgresql://own/db")

    def test_nested_ones_have_two_underscores(self, monkeypatch):
        monkeypatch.setenv("MT_POOLS__CONNECTIONS", "30")
        monkeypatch.setenv("MT_RETENTION", "P30D")

        assert Settings().pools == PoolSettings(connections=30)
        assert Settings().retention == timedelta(days=30)

    def test_secrets_do_not_show(self, monkeypatch):
        monkeypatch.setenv("MT_DATABASE_URL", "postgresql://user:s3cret@host/db")
        monkeypatch.setenv("MT_API_KEYS", "s3cret-key")
        monkeypatch.setenv("MT_SECRET_KEY", "s3cret" * 6)

        assert "s3cret" not in repr(Settings())

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MT_SECRET_KEY", "short"),
            ("MT_PUBLIC_URL", "notes.example"),
            ("MT_TENANT_PREFIX", 'x"; DROP'),
            ("MT_POOLS__CONNECTIONS", "0"),
            ("MT_SWEEP_INTERVAL", "0"),
        ],
    )
    def test_what_can_not_be_is_refused(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)

        with pytest.raises(ValidationError):
            Settings()

    @pytest.mark.parametrize("model", [Settings, PoolSettings])
    def test_every_one_is_described(self, model):
        assert all(field.description for field in model.model_fields.values())
