"""The schema's steps lead to the models, at once and from several processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from alembic import command
from service_market.assembly import Addresses
from service_market.migrations.upgrade import alembic_config, upgrade
from sqlalchemy import create_engine, inspect


class TestUpgrade:
    def test_the_head_is_what_the_models_say(self, fresh_database: str) -> None:
        addresses = Addresses(fresh_database)
        assert upgrade(addresses)[0] is None
        engine = create_engine(addresses.sqlalchemy)
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.check(config)
        engine.dispose()

    def test_four_at_once_do_it_once(self, fresh_database: str) -> None:
        addresses = Addresses(fresh_database)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: upgrade(addresses), range(4)))
        assert [before for before, _ in results].count(None) == 1

    def test_the_way_back_leaves_nothing_but_the_job_queue(self, fresh_database: str) -> None:
        addresses = Addresses(fresh_database)
        upgrade(addresses)
        engine = create_engine(addresses.sqlalchemy)
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
            left = {name for name in inspect(connection).get_table_names() if not name.startswith("procrastinate_")}
        engine.dispose()
        assert left == {"alembic_version"}
