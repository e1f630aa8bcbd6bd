"""The four forms of a report: each whole, each harmless, each telling the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from mt_paas.conformance import CheckResult, Format, Level, Profile, Report, Status, Target, render
from mt_paas.conformance.report.text import _columns, summary
from mt_paas.conformance.report.wording import harmless

EXCHANGE = {
    "request": {"method": "GET", "url": "http://x/mt/health", "headers": {"Accept": "a/b"}, "body": ""},
    "response": {
        "status": 200,
        "headers": {"server": "\x1b[2J<script>alert(1)</script>\x00"},
        "body": '{"이름": "값"}',
    },
    "trouble": "",
    "duration_ms": 1.5,
}


def result(name: str, status: Status, level: Level = Level.MUST, **more) -> CheckResult:
    values = {"duration_ms": 45.4, "message": "", "rule": "the rule"} | more
    return CheckResult(f"health.{name}", f"Check {name}", level, status, **values)


def report(*results: CheckResult) -> Report:
    return Report(Target("http://127.0.0.1:8000"), Profile.FULL, results, datetime(2026, 1, 3, tzinfo=UTC), 1234.5)


BROKEN = report(
    result("one", Status.PASS),
    result("two", Status.FAIL, message="it answered <b>500</b>", exchanges=(EXCHANGE,)),
    result("three", Status.WARN, Level.SHOULD, message="late", exchanges=(EXCHANGE,)),
    result("four", Status.SKIP, duration_ms=None, message="not declared: endpoints.users"),
)


class TestLevel:
    @pytest.mark.parametrize(
        ("broken", "level"),
        [([], "MAY"), ([Level.MAY], "SHOULD"), ([Level.SHOULD, Level.MAY], "MUST"), ([Level.MUST, Level.MAY], "none")],
    )
    def test_it_is_the_strongest_up_to_which_everything_holds(self, broken, level):
        failed = [result(str(each), Status.FAIL if each is Level.MUST else Status.WARN, each) for each in broken]
        assert report(result("one", Status.PASS), *failed).level == level

    def test_a_percentage_is_never_rounded_up_to_all(self):
        passed = [result(str(number), Status.PASS) for number in range(299)]
        assert report(*passed, result("last", Status.FAIL)).score.percent == 99


class TestText:
    def test_it_is_the_table_that_people_know(self):
        text = render(report(result("one", Status.PASS)), Format.TEXT)
        assert "║  Service Market Integration Test Report " in text
        assert re.search(r"║  ✅ Check one +MUST +PASS \(45ms\) +║", text)
        assert "║  Score: 1/1 (100%) " in text

    def test_every_line_of_the_box_is_as_wide_as_the_terminal(self):
        for width in (80, 120):
            box = [
                line
                for line in render(BROKEN, Format.TEXT, width=width).splitlines()
                if line.startswith(tuple("╔║╟╠╚"))
            ]
            assert {_columns(line) for line in box} == {width}

    def test_no_line_is_wider_than_the_terminal(self):
        long = result("x", Status.FAIL, message="word " * 60 + "가" * 100, exchanges=(EXCHANGE,))
        assert max(_columns(line) for line in render(report(long), Format.TEXT).splitlines()) <= 80

    def test_what_failed_stands_beneath_with_request_answer_and_rule(self):
        text = render(BROKEN, Format.TEXT)
        beneath = text.partition("╚")[2]
        for part in ("❌ health.two (MUST)", "The contract says: the rule", "> GET http://x/mt/health", "< 200 (2ms)"):
            assert part in beneath

    def test_a_service_can_not_steer_the_terminal(self):
        assert "\x1b" not in render(BROKEN, Format.TEXT)
        assert harmless("a\x1b[2Jb\u202ec\x07") == "a\\x1b[2Jb\\u202ec\\x07"

    def test_colour_is_for_a_terminal(self):
        assert "\x1b[1;31m" in render(BROKEN, Format.TEXT, has_colour=True)


class TestJson:
    def test_it_has_the_promised_members(self):
        told = json.loads(render(BROKEN, Format.JSON))
        assert told["target"] == "http://127.0.0.1:8000"
        assert (told["profile"], told["level"], told["contract"]) == ("full", "none", "v1")
        assert told["score"] == {"passed": 1, "failed": 1, "warned": 1, "skipped": 1, "percent": 33}
        members = {"id", "name", "level", "status", "duration_ms", "message", "rule"}
        assert all(members <= set(each) for each in told["checks"])
        assert told["checks"][1]["exchanges"] == [EXCHANGE]
        assert told["checks"][3]["duration_ms"] is None


def suites() -> ET.Element:
    return ET.fromstring(render(BROKEN, Format.JUNIT))  # noqa: S314 - our own


class TestJunit:
    def test_it_has_a_case_for_every_check(self):
        cases = suites().findall("./testsuite/testcase")
        assert [case.get("name") for case in cases] == [f"{each.id}: {each.name}" for each in BROKEN.checks]
        assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["system-out"], ["skipped"]]

    def test_a_failure_has_its_evidence_and_nothing_that_xml_can_not_hold(self):
        failure = suites().find("./testsuite/testcase/failure")
        assert failure.get("message") == "it answered <b>500</b>"
        assert "> GET http://x/mt/health" in failure.text
        assert "이름" in failure.text

    def test_the_counts_agree(self):
        suite = suites().find("testsuite")
        assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "1"]


class TestVerdict:
    """A part of the checks never says that the service conforms to the whole contract."""

    RIGHT = report(result("one", Status.PASS))

    @pytest.mark.parametrize("form", [Format.TEXT, Format.JUNIT, Format.HTML])
    @pytest.mark.parametrize("part", [{"profile": Profile.CORE}, {"left_out": 1}])
    def test_of_a_part_it_is_about_the_checks_that_ran(self, form, part):
        text = render(replace(self.RIGHT, **part), form)
        assert "of the checks that ran" in text
        assert "conforms" not in text

    @pytest.mark.parametrize("part", [{"profile": Profile.CORE}, {"left_out": 1}])
    def test_of_a_part_json_says_nothing_of_the_contract(self, part):
        told = json.loads(render(replace(self.RIGHT, **part), Format.JSON))
        assert (told["passed"], told["conforms"]) == (True, None)
        told = json.loads(render(replace(BROKEN, **part), Format.JSON))
        assert (told["passed"], told["conforms"]) == (False, False)

    @pytest.mark.parametrize("part", [{"profile": Profile.CORE}, {"left_out": 1}])
    def test_the_line_beside_a_file_says_so_too(self, part):
        assert "keeps every MUST of the checks that ran: 1/1" in summary(replace(self.RIGHT, **part))

    def test_of_all_of_them_it_is_about_the_contract(self):
        assert "conforms to the Standard API: 1/1" in summary(self.RIGHT)
        assert "conforms to the Standard API" in render(self.RIGHT, Format.HTML)
        assert json.loads(render(self.RIGHT, Format.JSON))["conforms"] is True

    @pytest.mark.parametrize("part", [{}, {"profile": Profile.CORE}])
    def test_a_broken_must_is_enough_not_to_conform(self, part):
        for said in (render(replace(BROKEN, **part), Format.HTML), summary(replace(BROKEN, **part))):
            assert "does not conform to the Standard API" in said


class TestHints:
    REPORT = replace(BROKEN, hints=("No tenant <b>can</b> be activated.",))

    @pytest.mark.parametrize(
        ("form", "said"),
        [
            (Format.TEXT, "Hint: No tenant <b>can</b> be activated."),
            (Format.JSON, '"No tenant <b>can</b> be activated."'),
            (Format.JUNIT, "<system-out>Hint: No tenant &lt;b&gt;can&lt;/b&gt; be activated."),
            (Format.HTML, "<strong>Hint:</strong> No tenant &lt;b&gt;can&lt;/b&gt; be activated."),
        ],
    )
    def test_they_are_told_in_every_form(self, form, said):
        assert said in render(self.REPORT, form)

    @pytest.mark.parametrize("form", [Format.TEXT, Format.HTML])
    def test_they_stand_above_what_failed(self, form):
        text = render(self.REPORT, form)
        assert text.index("Hint:") < text.index("The contract says:")


class Page(HTMLParser):
    """What a page is made of: tags that were opened and not closed, attributes that lead elsewhere, ids."""

    VOID = frozenset({"meta", "br", "col"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.leads: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.leads += [value for name, value in attrs if name in {"src", "href", "action"}]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestHtml:
    @pytest.fixture
    def page(self):
        page = Page()
        page.feed(render(BROKEN, Format.HTML))
        return page

    def test_it_is_whole(self, page):
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))

    def test_it_needs_nothing_beside_itself(self, page):
        assert [lead for lead in page.leads if not lead.startswith("#")] == []
        assert {lead.removeprefix("#") for lead in page.leads} <= set(page.ids)
        assert not {"script", "link", "img", "iframe"} & set(page.tags)

    def test_what_a_service_says_is_text(self):
        text = render(BROKEN, Format.HTML)
        assert "<script>" not in text
        assert "it answered &lt;b&gt;500&lt;/b&gt;" in text

    def test_a_verdict_is_a_word_and_not_a_colour_alone(self):
        text = render(BROKEN, Format.HTML)
        assert all(word in text for word in ("✓ Pass", "✗ Fail", "! Warning", "– Skipped"))
        assert '<html lang="en">' in text
