"""Each command against a real market: its happy path, its ``--json``, and what it does when the market says no."""

from __future__ import annotations

import json
import signal
import uuid
from typing import TYPE_CHECKING

import pytest
from mt_paas.testing.behaviours import fail, rightly, silent
from rich.cells import cell_len
from service_market.cli.exits import ExitCode

if TYPE_CHECKING:
    from conftest import RunningMarket, Tutor

NOBODY = str(uuid.UUID(int=0))


class TestOrganizations:
    def test_are_created_and_listed(self, running: RunningMarket, school: str) -> None:
        assert school in {each["slug"] for each in running.data("organization", "list", "--limit", "0")}
        assert "한림대학교" in running.run("organization", "list").stdout

    def test_a_long_list_says_that_there_is_more(self, running: RunningMarket, school: str) -> None:
        result = running.run("organization", "list", "--limit", "1", "--json")
        assert len(json.loads(result.stdout)) == 1
        assert "1 of " in result.stderr

    def test_a_second_one_of_a_slug_is_a_conflict(self, running: RunningMarket, school: str) -> None:
        result = running.run("organization", "create", school, "again")
        assert result.exit_code == ExitCode.CONFLICT
        assert school in result.stderr
        assert result.stdout == ""

    def test_a_slug_that_can_not_be_one_is_invalid(self, running: RunningMarket) -> None:
        assert running.run("organization", "create", "Not A Slug", "x").exit_code == ExitCode.INVALID


class TestTokens:
    def test_a_token_is_shown_once_works_and_ends_when_it_is_revoked(self, running: RunningMarket, school: str) -> None:
        made = running.data("token", "create", school, "school_manager", "--name", "for a test")
        assert running.run("tenant", "list", "--token", made["token"]).exit_code == ExitCode.DONE
        assert made["token"] not in running.run("token", "list", "--json").stdout
        assert running.data("token", "revoke", made["id"])["revoked_at"] is not None
        assert running.run("tenant", "list", "--token", made["token"]).exit_code == ExitCode.NOT_ALLOWED

    def test_a_token_that_may_not_do_this_is_not_allowed(self, running: RunningMarket, school: str) -> None:
        made = running.data("token", "create", school, "school_manager")
        assert running.run("token", "list", MARKET_TOKEN=made["token"]).exit_code == ExitCode.NOT_ALLOWED

    @pytest.mark.parametrize("token", ["mtp_wrong", "한글", ""])
    def test_a_wrong_token_is_not_allowed(self, running: RunningMarket, token: str) -> None:
        assert running.run("tenant", "list", "--token", token).exit_code == ExitCode.NOT_ALLOWED

    def test_no_token_at_all_says_where_it_was_looked_for(self, running: RunningMarket) -> None:
        result = running.run("tenant", "list", "--home", "nowhere")
        assert result.exit_code == ExitCode.NOT_ALLOWED
        assert "nowhere/operator.token" in result.stderr


class TestServices:
    def test_are_registered_shown_listed_and_verified(self, running: RunningMarket, listed: Tutor) -> None:
        shown = running.data("service", "show", "fake_tutor")
        assert (shown["state"], shown["base_url"]) == ("listed", listed.base_url)
        assert "fake_tutor" in running.run("service", "list", "--state", "listed").stdout
        assert running.data("service", "verify", "fake_tutor")["state"] == "listed"

    def test_the_key_may_come_from_the_environment(self, running: RunningMarket, tutor: Tutor) -> None:
        result = running.run("service", "register", str(tutor.manifest), MARKET_SERVICE_KEY=tutor.key)
        assert result.exit_code == ExitCode.DONE
        assert tutor.key not in result.output

    def test_without_a_key_and_a_terminal_to_ask_at_it_says_what_to_give(
        self, running: RunningMarket, tutor: Tutor
    ) -> None:
        result = running.run("service", "register", str(tutor.manifest))
        assert result.exit_code == ExitCode.USAGE
        assert "MARKET_SERVICE_KEY" in result.stderr

    def test_one_that_does_not_answer_where_it_is_said_to_be_is_rejected_with_the_reason(
        self, running: RunningMarket, tutor: Tutor
    ) -> None:
        other = tutor.manifest.read_text().replace('"fake_tutor"', '"absent_tutor"')
        tutor.manifest.write_text(other)
        result = running.run(
            "service", "register", str(tutor.manifest), "-k", tutor.key, "--base-url", "http://127.0.0.1:9"
        )
        assert result.exit_code == ExitCode.FAILED
        assert "http://127.0.0.1:9/mt/health" in result.stderr

    def test_faults_of_a_manifest_are_shown_like_a_compilers(self, running: RunningMarket, tutor: Tutor) -> None:
        line = 'service: {name: "한림 튜터", id: "Not A Slug", version: "1"}'
        tutor.manifest.write_text(f'version: "1.0"\n{line}\n')
        result = running.run("service", "register", str(tutor.manifest), "-k", tutor.key)
        assert result.exit_code == ExitCode.INVALID
        at = line.index('"Not') + 1
        lines = result.stderr.splitlines()
        fault = f"{tutor.manifest}:2:{at}: service.id: "
        place = next(number for number, each in enumerate(lines) if each.startswith(fault))
        assert lines[place + 1] == f"    2 | {line}"
        assert cell_len(lines[place + 2]) - 1 == cell_len(lines[place + 1].partition('"Not')[0])
        assert any(each.startswith(f"{tutor.manifest}:2:1: service.vendor: is missing") for each in lines)
        assert result.stdout == ""

    @pytest.mark.parametrize("nothing", ["", "\n", "# later\n"])
    def test_an_empty_manifest_is_told_so(self, running: RunningMarket, tutor: Tutor, nothing: str) -> None:
        tutor.manifest.write_text(nothing)
        result = running.run("service", "register", str(tutor.manifest), "-k", tutor.key)
        assert result.exit_code == ExitCode.INVALID
        assert result.stderr.startswith(f"{tutor.manifest}:1:1: document: is empty; expected a manifest\n")
        assert result.stderr.endswith("error: A fault; nothing was registered.\n")

    def test_a_file_that_is_not_there_is_told(self, running: RunningMarket) -> None:
        result = running.run("service", "register", "nowhere.yaml", "-k", "k" * 20)
        assert result.exit_code == ExitCode.USAGE
        assert "nowhere.yaml" in result.stderr

    def test_a_service_that_is_not_there_is_not_found(self, running: RunningMarket) -> None:
        assert running.run("service", "show", "nobody").exit_code == ExitCode.NOT_FOUND


class TestSubscribing:
    def test_makes_an_active_tenant_and_tells_each_step(
        self, running: RunningMarket, listed: Tutor, school: str
    ) -> None:
        arguments = ("--admin-email", "kim@hallym.ac.kr", "--months", "3", "--config", "max_users=500")
        result = running.run("subscribe", school, "fake_tutor", "premium", *arguments, "--json")
        assert result.exit_code == ExitCode.DONE
        made = json.loads(result.stdout)
        assert (made["plan"], made["term_months"], made["state"]) == ("premium", 3, "active")
        assert result.stderr.startswith(f"activate of {made['tenant_id']}, operation ")
        assert result.stderr.splitlines()[1:] == ["  ✓ activate", "  ✓ verify", "  ✓ health"]
        tenant = running.data("tenant", "show", made["tenant_id"])
        assert (tenant["state"], tenant["config"]) == ("active", {"max_users": 500})
        assert listed.service.tenants[made["tenant_id"]].request.admin.name == "kim"

    def test_to_a_service_that_breaks_fails_with_what_it_said_and_may_be_retried(
        self, running: RunningMarket, listed: Tutor, school: str
    ) -> None:
        listed.service.behave(fail(500, "the disk is full"), on="activate")
        result = running.run("subscribe", school, "fake_tutor", "basic", "--admin-email", "kim@hallym.ac.kr")
        assert result.exit_code == ExitCode.FAILED
        assert "the disk is full" in result.stderr
        assert result.stderr.endswith(f"try it again with: market tenant retry {school}\n")
        assert running.data("tenant", "show", school)["state"] == "failed"
        listed.service.behave(rightly, on="activate")
        assert running.data("tenant", "retry", school)["state"] == "succeeded"
        assert running.data("tenant", "show", school)["state"] == "active"

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("nobody", "fake_tutor", "basic"), ExitCode.NOT_FOUND),
            (("{school}", "nothing", "basic"), ExitCode.NOT_FOUND),
            (("{school}", "fake_tutor", "golden"), ExitCode.INVALID),
            (("{school}", "fake_tutor", "basic", "--config", "max_users"), ExitCode.USAGE),
            (("{school}", "fake_tutor", "basic", "--config", "max_users=many"), ExitCode.INVALID),
        ],
    )
    def test_to_what_is_not_there_says_what_is_wrong(
        self, running: RunningMarket, listed: Tutor, school: str, arguments: tuple[str, ...], code: ExitCode
    ) -> None:
        given = [each.format(school=school) for each in arguments]
        assert running.run("subscribe", *given, "--admin-email", "kim@hallym.ac.kr").exit_code == code

    def test_twice_is_a_conflict(self, running: RunningMarket, tenant: str) -> None:
        result = running.run("subscribe", tenant, "fake_tutor", "basic", "--admin-email", "kim@hallym.ac.kr")
        assert result.exit_code == ExitCode.CONFLICT

    def test_is_renewed_cancelled_swept_and_listed(self, running: RunningMarket, tenant: str) -> None:
        found = next(each for each in running.data("subscription", "list") if each["tenant_id"] == tenant)
        assert running.data("subscription", "show", found["id"]) == found
        renewed = running.data("subscription", "renew", found["id"], "--months", "2")
        assert renewed["ends_at"] > found["ends_at"]
        assert running.data("subscription", "sweep") == {"expired": 0}
        assert running.data("subscription", "cancel", found["id"])["state"] == "cancelled"
        assert running.data("tenant", "show", tenant)["state"] == "deactivated"
        assert running.run("subscription", "cancel", found["id"]).exit_code == ExitCode.CONFLICT


class TestTenants:
    def test_go_through_their_life(self, running: RunningMarket, tenant: str) -> None:
        assert running.data("tenant", "deactivate", tenant, "--reason", "violation")["kind"] == "deactivate"
        assert running.run("tenant", "deactivate", tenant).exit_code == ExitCode.CONFLICT
        assert running.data("tenant", "reactivate", tenant)["state"] == "succeeded"
        assert running.run("tenant", "purge", tenant, "--yes").exit_code == ExitCode.CONFLICT
        running.data("tenant", "deactivate", tenant)
        assert running.data("tenant", "purge", tenant, "--yes")["result"]["purged_at"]
        states = [step["to_state"] for step in running.data("tenant", "history", tenant)]
        assert states[-4:] == ["deactivating", "deactivated", "purging", "purged"]
        assert "subscribed" in running.run("tenant", "history", tenant).stdout
        assert running.run("tenant", "list", "--state", "purged", "--service", "fake_tutor").stdout.count(tenant) >= 1

    def test_show_what_their_service_told_by_itself(self, running: RunningMarket, tutor: Tutor, tenant: str) -> None:
        """The fake service reports its usage when a tenant is activated, to where this market really listens."""
        tutor.has_reported()
        [told] = running.data("tenant", "events", tenant)
        assert told["type"] == "usage.reported"
        assert "usage.reported" in running.run("tenant", "events", tenant).stdout
        assert running.run("tenant", "events", tenant, "--limit", "0").stderr == ""

    def test_are_not_purged_by_a_slip(self, running: RunningMarket, tenant: str) -> None:
        result = running.run("tenant", "purge", tenant)
        assert result.exit_code == ExitCode.USAGE
        assert "--yes" in result.stderr

    def test_give_their_set_up_link_once(self, running: RunningMarket, tenant: str) -> None:
        assert running.data("tenant", "setup-link", tenant)["setup_url"].startswith("http")
        assert running.run("tenant", "setup-link", tenant).exit_code == ExitCode.CONFLICT

    def test_that_are_not_there_are_not_found(self, running: RunningMarket) -> None:
        for command in ("show", "history", "events", "deactivate", "reactivate", "retry", "setup-link"):
            assert running.run("tenant", command, "nobody").exit_code == ExitCode.NOT_FOUND


class TestOperations:
    def test_are_listed_and_shown_with_their_steps(self, running: RunningMarket, tenant: str) -> None:
        [operation] = running.data("operation", "list", "--tenant", tenant)
        assert operation["kind"] == "activate"
        shown = running.run("operation", "show", operation["id"]).stdout
        assert "activate done, verify done, health done" in shown

    def test_one_that_failed_fails_the_watching_and_not_the_showing(
        self, running: RunningMarket, listed: Tutor, school: str
    ) -> None:
        listed.service.behave(fail(), on="activate")
        running.run("subscribe", school, "fake_tutor", "basic", "--admin-email", "kim@hallym.ac.kr")
        [operation] = running.data("operation", "list", "--tenant", school)
        assert running.run("operation", "show", operation["id"]).exit_code == ExitCode.DONE
        assert running.run("operation", "show", operation["id"], "--watch").exit_code == ExitCode.FAILED

    def test_one_that_is_not_waited_for_says_how_to_watch_it(
        self, running: RunningMarket, listed: Tutor, school: str
    ) -> None:
        arguments = (school, "fake_tutor", "basic", "--admin-email", "kim@hallym.ac.kr", "--no-wait")
        result = running.run("subscribe", *arguments)
        assert result.exit_code == ExitCode.DONE
        [operation] = running.data("operation", "list", "--tenant", school)
        assert f"market operation show {operation['id']} --watch" in result.stderr
        assert running.run("operation", "show", operation["id"], "--watch").exit_code == ExitCode.DONE

    def test_ctrl_c_ends_the_watching_and_not_the_operation(
        self, running: RunningMarket, listed: Tutor, school: str
    ) -> None:
        listed.service.behave(silent, on="activate")
        arguments = (school, "fake_tutor", "basic", "--admin-email", "kim@hallym.ac.kr")
        with running.start("subscribe", *arguments) as subscribing:
            assert subscribing.stderr is not None
            assert school in subscribing.stderr.readline()
            subscribing.send_signal(signal.SIGINT)
            said = subscribing.stderr.read()
        assert subscribing.returncode == ExitCode.INTERRUPTED
        [operation] = running.data("operation", "list", "--tenant", school)
        assert operation["state"] in {"pending", "running"}
        assert said == f"It goes on in the market. To watch it: market operation show {operation['id']} --watch\n"

    def test_one_that_is_not_there_is_not_found(self, running: RunningMarket) -> None:
        assert running.run("operation", "show", NOBODY).exit_code == ExitCode.NOT_FOUND


class TestReaching:
    def test_a_market_that_is_not_there_is_unreachable(self, running: RunningMarket) -> None:
        result = running.run("tenant", "list", "--url", "http://127.0.0.1:9")
        assert result.exit_code == ExitCode.UNREACHABLE
        assert "http://127.0.0.1:9" in result.stderr
        assert "market up" in result.stderr

    def test_something_that_is_not_a_market_is_told(self, running: RunningMarket, listed: Tutor) -> None:
        result = running.run("tenant", "list", "--url", listed.base_url)
        assert result.exit_code == ExitCode.UNREACHABLE
        assert listed.base_url in result.stderr

    @pytest.mark.parametrize("url", ["127.0.0.1:8505", "ftp://market", "http://"])
    def test_what_is_not_an_address_is_a_usage_error(self, running: RunningMarket, url: str) -> None:
        assert running.run("tenant", "list", "--url", url).exit_code == ExitCode.USAGE

    def test_failures_are_told_in_korean_too(self, running: RunningMarket) -> None:
        by_option = running.run("tenant", "show", "nobody", "--lang", "ko")
        by_environment = running.run("tenant", "show", "nobody", LC_ALL="ko_KR.UTF-8")
        assert by_option.exit_code == by_environment.exit_code == ExitCode.NOT_FOUND
        assert by_option.stderr == by_environment.stderr
        assert by_option.stderr == ("오류: 찾을 수 없습니다: 그런 테넌트가 없습니다 (There is no tenant nobody.)\n")
