"""A market and its secret key: it does not start without the one that its database was used with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mt_paas.errors import ConfigurationError
from pydantic import SecretStr
from service_market.assembly import Addresses, Market, assemble, forget_sealed, require_readable
from service_market.core.crypto import SecretBox
from service_market.core.db import Base
from service_market.core.seals import SealedBytes
from service_market.rooms.reports.service import seal_anew
from service_market.settings import Settings
from sqlalchemy import LargeBinary, text

OTHER = "another secret key, of another market"


@pytest.fixture
def with_another_key(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_keys": (SecretStr(OTHER),)})


@pytest.fixture
async def misled(with_another_key: Settings, addresses: Addresses, clock: Any) -> AsyncIterator[Market]:
    """A market on the same database that was started although its key is another."""
    made = assemble(with_another_key, addresses, clock=clock)
    yield made
    await made.close()


class TestStart:
    def test_looks_at_every_column_that_could_hold_something_sealed(self) -> None:
        sealed = type(SealedBytes.__metadata__[0].column.type)  # type: ignore[attr-defined]  # of an Annotated type
        columns = [column for table in Base.metadata.sorted_tables for column in table.columns]
        found = {column.name for column in columns if isinstance(column.type, sealed)}
        assert found == {"sealed_key", "proposed_sealed_key", "sealed_setup_url", "sealed_callback"}
        others = [column for column in columns if isinstance(column.type, LargeBinary) and column.name not in found]
        assert [column.name for column in others] == ["body"]  # an answer that is repeated, without secrets

    async def test_is_fine_with_the_key_of_before(self, active: Any, settings: Settings, addresses: Addresses) -> None:
        await require_readable(settings, addresses)
        rotated = SecretStr(OTHER), SecretStr((settings.home / "secret.key").read_text())
        await require_readable(settings.model_copy(update={"secret_keys": rotated}), addresses)

    async def test_needs_no_old_key_for_callbacks_the_night_after_a_new_one_came(
        self, active: Any, settings: Settings, with_another_key: Settings, addresses: Addresses
    ) -> None:
        both = SecretStr(OTHER), SecretStr((settings.home / "secret.key").read_text())
        rotated = assemble(settings.model_copy(update={"secret_keys": both}), addresses)
        assert [await seal_anew(rotated.kernel), await seal_anew(rotated.kernel)] == [1, 0]
        await rotated.close()
        with pytest.raises(ConfigurationError, match=r"sealed values .2."):  # the service's key, and a set-up link
            await require_readable(with_another_key, addresses)
        async with active.market.kernel.unit() as uow:
            sealed = await uow.session.scalar(text("SELECT sealed_callback FROM tenant_callback"))
            callback_id = await uow.session.scalar(text("SELECT id FROM tenant_callback"))
        assert "mtc_" in SecretBox([OTHER]).open(sealed, context=f"tenant_callback:{callback_id}")

    async def test_is_refused_with_another(self, active: Any, with_another_key: Settings, addresses: Addresses) -> None:
        with pytest.raises(ConfigurationError, match=r"sealed values .3.*with MARKET_SECRET_KEYS"):
            await require_readable(with_another_key, addresses)

    async def test_makes_no_key_where_one_was_lost(self, active: Any, settings: Settings, addresses: Addresses) -> None:
        file = settings.home / "secret.key"
        file.unlink()
        with pytest.raises(ConfigurationError, match=f"{file}, which is not there"):
            await require_readable(settings, addresses)
        assert not file.exists()

    async def test_is_fine_where_nothing_is_sealed_yet(self, settings: Settings, addresses: Addresses) -> None:
        await require_readable(settings, addresses)


class TestForgetting:
    async def test_lets_the_market_start_and_each_service_be_registered_again(
        self, active: Any, with_another_key: Settings, addresses: Addresses, misled: Market
    ) -> None:
        assert await forget_sealed(with_another_key, addresses) == 3
        await require_readable(with_another_key, addresses)
        assert (await active.operator.post("/tenants/hallym_univ/setup-link")).status_code == 410
        assert (await active.register())["reason"] is None
        assert (await active.do("deactivate"))["state"] == "succeeded"

    async def test_leaves_what_can_be_opened(self, active: Any, settings: Settings, addresses: Addresses) -> None:
        assert await forget_sealed(settings, addresses) == 0
        assert (await active.operator.post("/tenants/hallym_univ/setup-link")).status_code == 200


class TestWithAnUnreadableKey:
    async def test_an_operation_says_why_it_waits_and_goes_on_once_the_service_is_registered_again(
        self, scene: Any, misled: Market
    ) -> None:
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        await misled.kernel.jobs.run_until_idle()
        waiting = await scene.get(f"/operations/{operation_id}")
        assert (waiting["state"], waiting["attempt"], waiting["error"]["code"]) == ("pending", 0, "key_unreadable")
        assert waiting["error"]["message"].startswith("The key of fake_tutor can not be read, register the service aga")
        assert waiting["next_attempt_at"] is not None
        assert (await scene.operation(operation_id))["state"] == "succeeded"

    async def test_a_service_that_is_verified_again_stays_and_says_why(self, scene: Any, misled: Market) -> None:
        await scene.operator.post("/services/fake_tutor/verify")
        await misled.kernel.jobs.run_until_idle()
        service = await scene.get("/services/fake_tutor")
        assert service["state"] == "listed"
        assert service["reason"].startswith("it did not pass when verified again: its key can not be read: ")
