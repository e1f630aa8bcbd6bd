"""What changed between two manifests, and what of it breaks something."""

from __future__ import annotations

import pytest
from mt_paas.standard_api.manifest import Manifest, difference

PLANS = 'plans: {basic: {features: ["a", "b"], limits: {max_users: 50}}, pro: {limits: {max_users: 500}}}\n'


def changed(keli: str, *edits: tuple[str, str]) -> list[str]:
    old = keli.replace('version: "1.0"', 'version: "2.0"', 1) + PLANS
    new = old
    for before, after in edits:
        assert before in new
        new = new.replace(before, after, 1)
    return [change.describe() for change in difference(Manifest.parse(old), Manifest.parse(new))]


def test_the_same_manifest_has_no_changes(keli: str) -> None:
    assert changed(keli) == []


def test_the_order_of_a_list_means_nothing(keli: str) -> None:
    assert changed(keli, ('["a", "b"]', '["b", "a"]')) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ('name: "KELI TUTOR"', 'name: "KELI"', '~ service.name: "KELI TUTOR" -> "KELI"'),
        ("max_users: 50}", "max_users: 60}", "~ plans.basic.limits.max_users: 50 -> 60"),
        ("\nauth:", '\n  users: "/u/{tenant_id}"\n\nauth:', '+ endpoints.users: "/u/{tenant_id}"'),
        ('["a", "b"]', '["a", "b", "c"]', '+ plans.basic.features: "c"'),
    ],
)
def test_what_comes_or_grows_breaks_nothing(keli: str, before: str, after: str, line: str) -> None:
    assert changed(keli, (before, after)) == [line]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            'id: "keli_tutor"',
            'id: "keli"',
            '~ service.id: "keli_tutor" -> "keli"  BREAKS: to the market it is another service',
        ),
        (
            '  usage_report: "/mt/tenant/{tenant_id}/usage"\n',
            "",
            '- endpoints.usage_report: "/mt/tenant/{tenant_id}/usage"  BREAKS: the market can not call it any more',
        ),
        (
            "max_users: 50}",
            "max_users: 5}",
            "~ plans.basic.limits.max_users: 50 -> 5  BREAKS: subscribers have less than they subscribed to",
        ),
        ('["a", "b"]', '["a"]', '- plans.basic.features: "b"  BREAKS: subscribers lose it'),
        (
            ", pro: {limits: {max_users: 500}}",
            "",
            (
                '- plans.pro: {"features": [], "limits": {"max_users": 500}, "price": null}'
                "  BREAKS: subscriptions on this plan have none"
            ),
        ),
        (
            'header: "X-Market-API-Key"',
            'header: "X-API-Key"',
            '~ auth.header: "X-Market-API-Key" -> "X-API-Key"  BREAKS: the market\'s key travels in another header',
        ),
        (
            '    - "DOCKER_PER_TENANT"\n',
            "",
            '- isolation.supported: "DOCKER_PER_TENANT"  BREAKS: tenants that are kept apart in this way have no home',
        ),
    ],
)
def test_what_is_withdrawn_breaks_something(keli: str, before: str, after: str, line: str) -> None:
    assert changed(keli, (before, after)) == [line]


def test_going_back_to_the_first_version_withdraws_the_second(keli: str) -> None:
    lines = changed(keli, ('version: "2.0"', 'version: "1.0"'))
    assert '~ version: "2.0" -> "1.0"  BREAKS: what version 2.0 declares is withdrawn' in lines
