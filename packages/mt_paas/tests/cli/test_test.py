"""``mt-paas test`` as it is typed: exit codes, what goes where, and a report that is whole or not there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest
from mt_paas.cli.exits import EXIT_TABLE, ExitCode
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService, fail, garbage, serve, silent


async def started(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mt_paas", "test", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("MT_")} | environment,
    )


async def tried(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await started(*arguments, **environment)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def service():
    async with serve(service := FakeService(version="1.0")) as service.url:
        yield service


class TestExitCodes:
    async def test_0_when_every_must_is_kept(self, service):
        code, out, err = await tried("--target", service.url, "--key", service.api_key, "--profile", "core")
        assert (code, err) == (ExitCode.DONE, "")
        assert "Score: " in out
        assert "\x1b" not in out

    async def test_1_when_one_is_broken(self, service):
        service.behave(fail(500), on="health")
        arguments = ("--target", service.url, "--only", "health.answers")
        code, out, _ = await tried(*arguments, MT_PAAS_KEY=service.api_key)
        assert code == ExitCode.FAILED
        assert "❌ health.answers (MUST)" in out

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "it needs --target URL"),
            (["--target", "http://127.0.0.1:1"], "it needs --key KEY"),
            (["--target", "http://127.0.0.1:1", "--key", "k"], "nothing answers at http://127.0.0.1:1"),
            (["--target", "nowhere", "--key", "k"], "no address of a service"),
            (["--target", "http://127.0.0.1:1", "--key", "k", "--manifest", "/nowhere"], "can not be read"),
            (["--target", "http://127.0.0.1:1", "--key", "k", "--only", "helth"], "did you mean 'health'?"),
            (["--target", "http://127.0.0.1:1", "--key", "k", "--output", "/nowhere/x"], "can not be written"),
            (["--format", "pdf"], "pdf"),
            (["--timeout", "0"], "timeout"),
        ],
    )
    async def test_2_when_it_could_not_be_tried(self, arguments, said):
        code, out, err = await tried(*arguments)
        assert (code, out) == (ExitCode.UNUSABLE, "")
        assert said in err
        assert "Traceback" not in err

    async def test_2_in_one_sentence_when_there_is_no_service_to_judge(self, service):
        service.behave(garbage(status=404))
        code, out, err = await tried("--target", service.url, "--key", service.api_key)
        assert (code, out) == (ExitCode.UNUSABLE, "")
        assert err.startswith(f"mt-paas: what answers at {service.url} is no service of the Standard API: ")
        assert len(err.splitlines()) == 1

    async def test_2_in_one_sentence_when_the_key_is_refused(self, service):
        code, out, err = await tried("--target", service.url, "--key", "the-key-of-another-service")
        assert (code, out) == (ExitCode.UNUSABLE, "")
        assert err.startswith("mt-paas: the service refuses this key: ")
        assert len(err.splitlines()) == 1

    def test_every_code_is_explained(self):
        assert set(EXIT_TABLE) == set(ExitCode)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_ctrl_c_and_a_stop_leave_no_tenant(self, service, number):
        process = await started("--target", service.url, "--key", service.api_key)
        await service.wait_for("status", 3)
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == ExitCode.INTERRUPTED
        assert "mt-paas: removing the tenants of the tests" in err.decode()
        assert "mt-paas: interrupted; the tenants of the tests were removed" in err.decode()
        assert [tenant for tenant in service.tenants.values() if tenant.state is TenantState.ACTIVE] == []

    async def test_the_second_time_it_ends_at_once_and_says_what_is_left(self, service):
        service.behave(silent, on="deactivate")
        process = await started("--target", service.url, "--key", service.api_key)
        await service.wait_for("deactivate", 1)
        process.send_signal(signal.SIGINT)
        assert b"once more leaves them" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == ExitCode.INTERRUPTED
        assert "tenants of the tests are left at the service" in err.decode()


class TestReport:
    async def test_json_goes_to_standard_output(self, service):
        code, out, _ = await tried(
            "--target", service.url, "--key", service.api_key, "--only", "health", "--format", "json"
        )
        told = json.loads(out)
        assert (code, told["level"], told["score"]["passed"]) == (0, "MAY", 5)

    async def test_a_file_gets_the_report_and_standard_error_the_score(self, service, tmp_path):
        file = tmp_path / "report.xml"
        code, out, err = await tried(
            *("--target", service.url, "--key", service.api_key, "--only", "health"),
            *("--format", "junit", "--output", str(file)),
        )
        assert (code, out) == (0, "")
        assert "keeps every MUST of the checks that ran: 5/5 (100%)" in err
        assert ET.parse(file).getroot().get("failures") == "0"  # noqa: S314 - our own
        assert [each.name for each in tmp_path.iterdir()] == ["report.xml"]

    async def test_a_report_that_was_there_stays_when_there_is_no_new_one(self, tmp_path):
        file = tmp_path / "report.json"
        file.write_text("before")
        code, _, _ = await tried("--target", "http://127.0.0.1:1", "--key", "k", "--output", str(file))
        assert (code, file.read_text()) == (ExitCode.UNUSABLE, "before")
        assert [each.name for each in tmp_path.iterdir()] == ["report.json"]

    async def test_what_is_there_and_no_file_is_written_to(self, service, tmp_path):
        """Nothing takes its place: /dev/stdout would be gone, for everybody."""
        link = tmp_path / "report.json"
        link.symlink_to("/dev/stdout")
        code, out, _ = await tried(
            *("--target", service.url, "--key", service.api_key, "--only", "health"),
            *("--format", "json", "--output", str(link)),
        )
        assert (code, json.loads(out)["passed"]) == (0, True)
        assert link.is_symlink()

    async def test_a_folder_is_no_place_for_a_report(self, tmp_path):
        code, out, err = await tried("--target", "http://127.0.0.1:1", "--key", "k", "--output", str(tmp_path))
        assert (code, out) == (ExitCode.UNUSABLE, "")
        assert f"{tmp_path} can not be written: it is a directory" in err

    @pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
    def test_a_full_disk_is_told_in_a_sentence(self):
        command = [sys.executable, "-m", "mt_paas", "test", "--list"]
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert ended.returncode == ExitCode.UNUSABLE
        assert ended.stderr == b"mt-paas: standard output can not be written: No space left on device\n"

    async def test_a_terminal_without_these_characters_gets_others(self, service):
        arguments = ("--target", service.url, "--key", service.api_key, "--only", "health")
        code, out, _ = await tried(*arguments, PYTHONIOENCODING="ascii")
        assert code == 0
        assert "Score: 5/5 (100%)" in out


class TestManifest:
    async def test_it_is_taken_from_a_file(self, service, tmp_path):
        file = tmp_path / "manifest.json"
        file.write_text(service.manifest("http://elsewhere.invalid").model_dump_json(exclude_none=True))
        code, out, _ = await tried(
            *("--target", service.url, "--key", service.api_key, "--manifest", str(file)),
            *("--only", "manifest", "--only", "usage.shape", "--format", "json"),
        )
        assert (code, json.loads(out)["manifest"]) == (0, str(file))

    async def test_it_is_taken_from_an_address(self, service):
        address = f"{service.url}/mt/manifest"
        code, out, _ = await tried(
            *("--target", service.url, "--key", service.api_key, "--manifest", address),
            *("--only", "manifest", "--format", "json"),
        )
        assert (code, json.loads(out)["manifest"]) == (0, address)


class TestList:
    async def test_it_shows_every_check_and_tries_nothing(self):
        code, out, _ = await tried("--list")
        assert code == 0
        assert "lifecycle.activate" in out
        code, out, _ = await tried("--list", "--format", "json", "--only", "health")
        listed = [each["id"] for each in json.loads(out)]
        assert listed == ["health.answers", "health.no_key", "health.now", "health.parts", "health.time"]


class TestProgram:
    def test_help_starts_without_http_and_models(self):
        code = """
            import sys
            from mt_paas.cli import main

            sys.argv = ["mt-paas", "test", "--help"]
            try:
                main()
            except SystemExit:
                print(*{"httpx2", "rich.console", "mt_paas.standard_api"} & set(sys.modules), sep="", end="!")
        """
        done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "!"
