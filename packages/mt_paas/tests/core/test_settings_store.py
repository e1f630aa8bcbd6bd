"""A tenant's settings: one document, of whose writers one wins."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.errors import BodyTooLarge, InvalidBody, VersionConflict
from mt_paas.standard_api.models import SettingsUpdate, TenantConfig


def to(**settings) -> SettingsUpdate:
    return SettingsUpdate(settings=settings)


class TestRead:
    async def test_before_the_first_write_there_are_none(self, handler, tenant_id):
        answer = await handler.get_settings(tenant_id)

        assert (answer.settings, answer.version) == ({}, 0)

    async def test_limits_are_the_plans_and_where_the_configuration_says_so_its_own(self, handler, activation):
        config = TenantConfig.model_validate({"max_users": 7, "storage_limit_gb": 2.5, "theme": "dark"})
        await handler.activate_tenant(activation(plan="premium", config=config))

        answer = await handler.get_settings("hallym_univ")

        assert answer.limits == {"max_users": 7, "storage_limit_gb": 2.5, "notes": 1000}


class TestWrite:
    @pytest.mark.parametrize("version", ["0", "1", None])
    async def test_of_more_than_an_answer_can_hold_is_refused_and_nothing_changes(self, handler, tenant_id, version):
        before = await handler.get_settings(tenant_id)
        if version == "1":
            before = await handler.update_settings(tenant_id, to(language="ko"), None)

        for too_much in (to(text="x" * 600_000), to(numbers=[1e308] * 2000)):
            with pytest.raises(BodyTooLarge):
                await handler.update_settings(tenant_id, too_much, version)

        assert await handler.get_settings(tenant_id) == before

    async def test_replaces_all_of_them_and_changes_the_version(self, handler, tenant_id):
        first = await handler.update_settings(tenant_id, to(language="ko", nested={"a": [1, 2.5, None]}), "0")
        second = await handler.update_settings(tenant_id, to(theme="dark"), str(first.version))

        assert first.version != second.version
        assert (await handler.get_settings(tenant_id)) == second
        assert second.settings == {"theme": "dark"}

    async def test_of_those_with_the_same_version_one_wins(self, handler, tenant_id):
        for expected in ("0", "1", "2"):
            answers = await asyncio.gather(
                *(handler.update_settings(tenant_id, to(writer=number), expected) for number in range(6)),
                return_exceptions=True,
            )

            (winner,) = (answer for answer in answers if not isinstance(answer, Exception))
            assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {VersionConflict}
            assert await handler.get_settings(tenant_id) == winner

    async def test_an_old_or_made_up_version_is_refused_and_nothing_changes(self, handler, tenant_id):
        before = await handler.update_settings(tenant_id, to(language="ko"), "0")

        for stale in ("0", "2", "7", "", "x", "-1", "１", "9" * 40, "*"):
            with pytest.raises(VersionConflict):
                await handler.update_settings(tenant_id, to(language="en"), stale)

        assert await handler.get_settings(tenant_id) == before

    async def test_whatever_the_version_is(self, handler, tenant_id):
        for number in (1, 2):
            assert (await handler.update_settings(tenant_id, to(number=number), None)).version == number

    async def test_a_service_may_refuse_settings(self, manager, manifest, tenant_id):
        class Handler(ManagedTenantHandler):
            async def check_settings(self, tenant, settings):
                if "language" not in settings:
                    raise InvalidBody("The settings name no language.")

        picky = Handler(manager, manifest)

        with pytest.raises(InvalidBody):
            await picky.update_settings(tenant_id, to(theme="dark"), "0")
        assert (await picky.get_settings(tenant_id)).version == 0
