"""Links that a service hands out: followed below its own address, and nowhere else."""

from __future__ import annotations

from mt_paas.conformance import Status, run
from mt_paas.testing.doubles import FakeService, serve
from mt_paas.testing.serving import serve as serve_elsewhere


class Elsewhere:
    """Another program on this machine, which nobody asked to be tested."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            self.calls += 1


class LinksElsewhere(FakeService):
    """Its links for single sign-on lead to another program."""

    elsewhere = ""

    async def create_sso_link(self, tenant_id, request):
        answer = await super().create_sso_link(tenant_id, request)
        return answer.model_copy(update={"launch_url": f"{self.elsewhere}/launch"})


async def test_a_link_to_another_host_is_not_followed():
    other = Elsewhere()
    service = LinksElsewhere()
    async with serve_elsewhere(other) as service.elsewhere, serve(service) as url:
        report = await run(url, service.api_key, only=["sso.once"])
    (result,) = report.checks
    assert result.status is Status.SKIP
    assert result.message.endswith("which is not under test")
    assert other.calls == 0
