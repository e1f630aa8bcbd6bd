"""``mt-paas manifest``: faults with their places, differences with what they break, schemas for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mt_paas.cli.application import app
from typer.testing import CliRunner

KELI = Path(__file__).parents[1] / "standard_api" / "manifest" / "keli_tutor.yaml"


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(app, ["manifest", *map(str, arguments)])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.yaml"
    text = KELI.read_text(encoding="utf-8")
    file.write_text(text.replace("tenant_activate", "tenant_activte").replace('"2GB"', '"much"'), encoding="utf-8")
    return file


class TestValidate:
    def test_a_right_manifest_is_told_in_a_line(self, run):
        result = run("validate", KELI)
        assert result.exit_code == 0
        assert result.stdout == f"{KELI} is right: keli_tutor, version 1.0, extensions: none\n"

    def test_every_fault_is_told_with_its_place(self, run, broken):
        result = run("validate", broken)
        assert result.exit_code == 1
        assert f"{broken}:18:3: endpoints.tenant_activte: is not a key of `endpoints`" in result.stderr
        assert f'{broken}:60:15: resources.min_memory: "much" is not valid' in result.stderr

    def test_one_faulty_file_of_two_fails(self, run, broken):
        assert run("validate", KELI, broken).exit_code == 1

    def test_json_is_for_programs(self, run, broken):
        result = run("validate", "--format", "json", KELI, broken)
        right, wrong = json.loads(result.stdout)
        assert (right["is_valid"], right["faults"]) == (True, [])
        assert (wrong["is_valid"], len(wrong["faults"]), wrong["faults"][0]["line"]) == (False, 2, 18)

    def test_a_format_that_is_none_is_told_with_those_that_are(self, run):
        result = run("validate", "--format", "pdf", KELI)
        assert result.exit_code == 2
        assert result.stderr.endswith("Invalid value for '--format': 'pdf' is not one of 'text', 'json'.\n")

    def test_a_file_that_is_not_there_is_a_fault(self, run, tmp_path):
        result = run("validate", tmp_path / "absent.yaml")
        assert result.exit_code == 1
        assert "can not be read: No such file" in result.stderr


class TestDiff:
    def test_no_change_is_no_failure(self, run):
        result = run("diff", KELI, KELI)
        assert (result.exit_code, result.stdout) == (0, "no changes\n")

    def test_a_change_of_words_is_no_failure(self, run, tmp_path):
        new = tmp_path / "new.yaml"
        new.write_text(KELI.read_text(encoding="utf-8").replace("KELI TUTOR", "KELI"), encoding="utf-8")
        result = run("diff", KELI, new)
        assert (result.exit_code, result.stdout) == (0, '~ service.name: "KELI TUTOR" -> "KELI"\n')

    def test_what_breaks_is_a_failure(self, run, tmp_path):
        new = tmp_path / "new.yaml"
        text = KELI.read_text(encoding="utf-8").replace('  usage_report: "/mt/tenant/{tenant_id}/usage"\n', "")
        new.write_text(text, encoding="utf-8")
        result = run("diff", "--format", "json", KELI, new)
        assert result.exit_code == 1
        assert json.loads(result.stdout)[0]["breaks"] == "the market can not call it any more"

    def test_a_faulty_manifest_is_not_compared(self, run, broken):
        result = run("diff", KELI, broken)
        assert result.exit_code == 2
        assert "tenant_activte" in result.stderr


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_schema_is_the_published_one(run, version):
    result = run("schema", "--version", version)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["$id"] == f"urn:mt-paas:manifest:{version}"
