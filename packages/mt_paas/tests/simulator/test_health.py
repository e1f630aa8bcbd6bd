"""Health is asked for regularly; changes are told, and three unhealthy results in a row are an alert."""

from __future__ import annotations

import pytest
from mt_paas.simulator.journal import Level
from mt_paas.standard_api.models import HealthStatus
from mt_paas.testing.doubles import fail, rightly


@pytest.fixture
async def health(simulate):
    async with simulate(health_every=3600) as run:
        await run.session.health.wait_until(HealthStatus.HEALTHY, 5)
        yield run.session.health, run.market.journal


class TestHealth:
    async def test_three_unhealthy_in_a_row_raise_one_alert_and_recovery_ends_it(self, health, service):
        watch, journal = health
        service.health_status = HealthStatus.UNHEALTHY
        await watch.ask()
        await watch.ask()
        assert not watch.is_alerting
        await watch.ask()
        await watch.ask()
        assert watch.is_alerting
        assert len(journal.texts(Level.ALERT)) == 1
        service.health_status = HealthStatus.HEALTHY
        await watch.ask()
        assert not watch.is_alerting
        assert journal.texts(Level.GOOD)[-1] == "the alert is over"

    async def test_a_recovery_between_starts_the_count_again(self, health, service):
        watch, journal = health
        for status in (HealthStatus.UNHEALTHY, HealthStatus.UNHEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY):
            service.health_status = status
            await watch.ask()
        assert journal.texts(Level.ALERT) == []

    async def test_only_changes_are_told(self, health, service):
        watch, journal = health
        for _ in range(3):
            await watch.ask()
        service.health_status = HealthStatus.DEGRADED
        await watch.ask()
        changes = [text for text in journal.texts() if "health:" in text or "the service is" in text]
        assert changes == ["the service is healthy", "health: healthy → degraded"]

    async def test_no_answer_is_as_bad_as_unhealthy(self, health, service):
        watch, _ = health
        service.behave(fail(503), on="health")
        for _ in range(3):
            await watch.ask()
        assert watch.is_alerting
        service.behave(rightly, on="health")
        await watch.wait_until(HealthStatus.HEALTHY, 5)
        assert not watch.is_alerting
