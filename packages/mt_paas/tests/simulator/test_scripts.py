"""Scripts are tests: read whole before anything is done, and ended by the first thing that is not as it should be."""

from __future__ import annotations

import pytest
from mt_paas.errors import ConfigurationError
from mt_paas.simulator.journal import Level
from mt_paas.simulator.scripts import read_script, run_script
from mt_paas.testing.doubles import garbage

WHOLE_LIFE = """
# A tenant from its first day to its last
wait healthy
activate uni_{run} premium max_users=3
expect status active
expect plan premium
usage uni_{run}
expect answer usage.active_users >= 0
activate uni_{run} basic
expect refused tenant_already_exists
expect http 409
deactivate uni_{run}
expect status deactivated
reactivate uni_{run}
users uni_{run}
expect answer items.0.email = admin@example.com
wait event usage.reported uni_{run} within=5s
expect event usage.reported
expect health healthy
clean
expect no-faults
"""


@pytest.fixture
def script(tmp_path):
    def write(text: str, name: str = "smoke.txt"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_script(path, run="x1")

    return write


class TestReading:
    def test_comments_and_blank_lines_are_none_and_run_is_a_new_word(self, script):
        steps = script("\n# first\nactivate uni_{run}  # now\n\nstatus uni_{run}\n").steps
        assert [(step.number, step.line) for step in steps] == [(3, "activate uni_x1  # now"), (5, "status uni_x1")]

    def test_every_line_that_is_no_command_is_told_at_once(self, script):
        with pytest.raises(ConfigurationError) as raised:
            script('activate a_b\nactivte a_b\nplan "open\n')
        assert [line.partition(": ")[0].rpartition(":")[2] for line in str(raised.value).splitlines()] == ["2", "3"]

    @pytest.mark.parametrize("text", ["steps:\n  - activate a_b\n  - 'wait 2s'\n", "- activate a_b\n- wait 2s\n"])
    def test_yaml_is_a_list_of_lines(self, script, text):
        assert [step.line for step in script(text, "smoke.yaml").steps] == ["activate a_b", "wait 2s"]

    def test_faults_in_yaml_have_their_lines(self, script):
        with pytest.raises(ConfigurationError, match=r"smoke\.yaml:2: there is no command 'activte'"):
            script("- activate a_b\n- activte a_b\n", "smoke.yaml")
        with pytest.raises(ConfigurationError, match=r"smoke\.yaml:3: a step is one line"):
            script("steps:\n  - activate a_b\n  - [activate, a_b]\n", "smoke.yaml")

    @pytest.mark.parametrize("text", ["", "# nothing\n"])
    def test_an_empty_one_tests_nothing_and_is_refused(self, script, text):
        with pytest.raises(ConfigurationError, match="there is no command in it"):
            script(text)

    def test_a_file_that_is_not_there_is_said_so(self, tmp_path):
        with pytest.raises(ConfigurationError, match="can not be read"):
            read_script(tmp_path / "none.txt")

    def test_what_is_done_in_any_case_stands_apart(self, script):
        read = script("activate a_b\n\n  finally:  # always\n  status a_b\n  clean\n")
        assert [(step.number, step.line) for step in read.steps] == [(1, "activate a_b")]
        assert [(step.number, step.line) for step in read.last] == [(4, "status a_b"), (5, "clean")]

    def test_in_yaml_it_is_a_list_of_its_own(self, script):
        read = script("steps:\n  - activate a_b\nfinally:\n  - clean\n", "smoke.yaml")
        assert [(step.number, step.line) for step in (*read.steps, *read.last)] == [(2, "activate a_b"), (4, "clean")]

    @pytest.mark.parametrize(
        ("text", "name", "said"),
        [
            ("health\nfinally:\n# nothing\n", "smoke.txt", "there is no command under finally:"),
            ("finally:\nclean\n", "smoke.txt", "there is no command in it"),
            ("health\nfinally:\nclaen\n", "smoke.txt", r"smoke\.txt:3: there is no command 'claen'"),
            ("health\nfinally:\nclean\nfinally:\nclean\n", "smoke.txt", r"smoke\.txt:4: there is no command"),
            ("steps:\n  - health\nfinally: clean\n", "smoke.yaml", r"smoke\.yaml:3: this is no list of commands"),
            ("steps:\n  - health\nlast:\n  - clean\n", "smoke.yaml", "another may be under finally"),
        ],
    )
    def test_one_that_is_not_whole_is_refused(self, script, text, name, said):
        with pytest.raises(ConfigurationError, match=said):
            script(text, name)


class TestRunning:
    async def test_a_whole_life_passes_against_a_right_service(self, run, service, script):
        passed = await run_script(run.session, script(WHOLE_LIFE))
        assert passed, run.market.journal.texts(Level.WRONG, Level.REFUSED)
        assert service.tenants == {}

    @pytest.mark.parametrize(
        "text",
        [
            "activate uni_{run}\nexpect status suspended",
            "activate uni_{run} basic\nexpect plan premium",
            "status uni_{run}",
            "status uni_{run}\nexpect refused tenant_purged",
            "activate uni_{run}\nexpect refused",
            "activate uni_{run}\nusage uni_{run}\nexpect answer usage.api_calls = many",
            "activate uni_{run}\nusage uni_{run}\nexpect answer usage.no_such_meter",
            "expect event tenant.limit_reached within=10ms",
            "expect health degraded",
            "activate uni_{run} a b c",
            "deactivate unknown_univ",
        ],
    )
    async def test_what_is_not_as_it_should_fails_with_its_line(self, run, script, text):
        assert not await run_script(run.session, script(text))
        last = len(text.splitlines())
        assert any(f"smoke.txt:{last}: " in said for said in run.market.journal.texts(Level.WRONG))

    async def test_nothing_is_done_after_the_first_failure(self, run, service, script):
        assert not await run_script(run.session, script("status uni_{run}\nactivate uni_{run}\n"))
        assert service.count("activate") == 0

    async def test_an_answer_against_the_contract_fails_a_script_that_does_not_look_at_it(self, run, service, script):
        service.behave(garbage(), on="status")
        assert not await run_script(run.session, script("activate uni_{run}\n"))


class TestFinally:
    async def test_it_is_done_after_a_failure_and_the_script_has_failed(self, run, service, script):
        text = "activate uni_{run}\nexpect status suspended\nfinally:\nclean\n"
        assert not await run_script(run.session, script(text))
        assert service.tenants == {}
        assert any("smoke.txt:4: clean" in said for said in run.market.journal.texts(Level.INFO))

    async def test_it_is_done_to_its_last_step(self, run, service, script):
        text = "activate uni_{run}\nfinally:\nexpect status suspended\nstatus no_such_univ\nclean\n"
        assert not await run_script(run.session, script(text))
        assert service.tenants == {}
        wrong = run.market.journal.texts(Level.WRONG)
        assert [line for line in (3, 4) if not any(f"smoke.txt:{line}: " in said for said in wrong)] == []

    async def test_after_a_success_it_is_a_part_of_it(self, run, service, script):
        assert await run_script(run.session, script("activate uni_{run}\nfinally:\nclean\n"))
        assert service.tenants == {}
        assert any("all 2 steps as they should be" in said for said in run.market.journal.texts(Level.GOOD))

    async def test_a_refusal_may_be_expected_there_too(self, run, script):
        text = "activate uni_{run}\nfinally:\nactivate uni_{run} premium\nexpect refused tenant_already_exists\nclean\n"
        assert await run_script(run.session, script(text)), run.market.journal.texts(Level.WRONG)
