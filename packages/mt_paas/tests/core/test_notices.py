"""Events to the market: sent when there is something to tell, and a call-back that is told to nobody else."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI, Request, Response
from mt_paas.errors import UserLimitReached
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.events import verify_event
from mt_paas.standard_api.models import Callback, TenantConfig, UserCreate
from mt_paas.testing.serving import serve

SECRET = "whsec_" + "A" * 43 + "="
TOKEN = "a-token-for-one-tenant"


class Market:
    """A market that takes events, and remembers them."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.app = FastAPI()

        @self.app.post("/events")
        async def take(request: Request) -> Response:
            self.came.append((dict(request.headers), await request.body()))
            return Response(status_code=204)


@pytest.fixture
async def market():
    market = Market()
    async with serve(market.app) as url:
        market.url = f"{url}/events"
        yield market


@pytest.fixture
def handler(new_handler):
    return new_handler(event_addresses=AddressPolicy(allow=["127.0.0.0/8"]))


async def reach_the_limit(handler, tenant_id: str) -> None:
    await handler.create_user(tenant_id, UserCreate(email="first@hallym.ac.kr"))
    with pytest.raises(UserLimitReached):
        await handler.create_user(tenant_id, UserCreate(email="second@hallym.ac.kr"))
    await handler.notices.settle()


class TestLimitReached:
    async def test_is_told_to_the_call_back_once_a_day(self, handler, activation, market, clock):
        callback = Callback(events_url=market.url, token=TOKEN, secret=SECRET)
        await handler.activate_tenant(activation(config=TenantConfig(max_users=1), callback=callback))

        await reach_the_limit(handler, "hallym_univ")
        with pytest.raises(UserLimitReached):
            await handler.create_user("hallym_univ", UserCreate(email="again@hallym.ac.kr"))
        await handler.notices.settle()

        ((headers, body),) = market.came
        event = json.loads(body)
        assert (event["type"], event["tenant_id"]) == ("tenant.limit_reached", "hallym_univ")
        assert event["data"] == {"limit": "max_users", "value": 1}
        assert headers["authorization"] == f"Bearer {TOKEN}"
        assert verify_event(SECRET, headers, body) == event["id"]
        clock.move(days=1)
        with pytest.raises(UserLimitReached):
            await handler.create_user("hallym_univ", UserCreate(email="again@hallym.ac.kr"))
        await handler.notices.settle()
        assert len(market.came) == 2

    async def test_is_told_to_nobody_where_the_market_said_nothing(self, handler, activation, market):
        await handler.activate_tenant(activation(config=TenantConfig(max_users=1)))

        await reach_the_limit(handler, "hallym_univ")

        assert market.came == []

    async def test_a_market_that_is_not_there_fails_no_call(self, new_handler, activation, market):
        handler = new_handler()  # which may post to public addresses alone
        callback = Callback(events_url=market.url, token=TOKEN, secret=SECRET)
        await handler.activate_tenant(activation(config=TenantConfig(max_users=1), callback=callback))

        await reach_the_limit(handler, "hallym_univ")

        assert market.came == []


class TestCallback:
    async def test_the_newest_replaces_the_old_and_makes_no_other_body(self, handler, manager, activation):
        first, second = (
            Callback(events_url="https://market.example/events", token=f"{TOKEN}-{number}", secret=SECRET)
            for number in range(2)
        )
        answer = await handler.activate_tenant(activation(callback=first))

        assert await handler.activate_tenant(activation(callback=second)) == answer
        assert await handler.activate_tenant(activation()) == answer

        assert await manager.callback("hallym_univ") == second

    async def test_is_in_no_repr_and_gone_with_the_tenant(self, handler, manager, activation):
        callback = Callback(events_url="https://market.example/events", token=TOKEN, secret=SECRET)
        request = activation(callback=callback)
        await handler.activate_tenant(request)

        assert TOKEN not in repr(request) + repr(await manager.get_tenant("hallym_univ"))
        await manager.deactivate_tenant("hallym_univ", preserve_data=False)
        assert await manager.callback("hallym_univ") is None
