"""``mt-paas init``: what it writes is a service that can be run; what is there already is not touched."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest
from mt_paas.cli.application import app
from mt_paas.standard_api.manifest import Manifest, check_file
from typer.testing import CliRunner


@pytest.fixture
def init(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["init", *arguments])


class TestWritten:
    def test_the_manifest_has_no_fault_and_no_warning(self, init, tmp_path):
        assert init("my_notes", "--port", "8007").exit_code == 0
        report = check_file(tmp_path / "my_notes" / "manifest.yaml")
        assert (report.faults, report.warnings) == ((), ())
        manifest = report.required()
        assert (manifest.service.id, manifest.service.name, manifest.version) == ("my_notes", "My notes", "2.0")
        assert manifest.endpoints.base_url == "http://127.0.0.1:8007"

    def test_the_logic_is_under_thirty_lines(self, init, tmp_path):
        init("notes")
        tree = ast.parse((tmp_path / "notes" / "app.py").read_text(encoding="utf-8"))
        imports = (ast.Import, ast.ImportFrom)
        lines = {
            node.lineno
            for statement in tree.body
            if not isinstance(statement, imports)
            for node in ast.walk(statement)
            if isinstance(node, (ast.stmt, ast.expr)) and not isinstance(getattr(node, "value", None), str)
        }
        assert len(lines) < 30

    def test_nothing_of_the_template_is_left(self, init, tmp_path):
        init("notes")
        for file in (tmp_path / "notes").rglob("*"):
            if file.is_file():
                assert "__ID__" not in (text := file.read_text(encoding="utf-8"))
                assert not any(word in text for word in ("__TITLE__", "__PORT__", "__KEY__", "__VERSION__"))

    def test_the_key_is_a_new_one_in_a_file_of_ones_own(self, init, tmp_path):
        keys = set()
        for name in ("one", "two"):
            init(name)
            file = tmp_path / name / ".env"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert ".env" in (tmp_path / name / ".gitignore").read_text().splitlines()
            assert ".env" in (tmp_path / name / ".dockerignore").read_text().splitlines()
            keys.add(next(line for line in file.read_text().splitlines() if line.startswith("MT_API_KEYS=")))
        assert len(keys) == 2
        assert all(len(key) > len("MT_API_KEYS=") + 30 for key in keys)

    def test_it_says_what_to_type_next(self, init):
        said = init("notes").stdout
        assert "cd notes\n" in said
        assert "mt-paas test --target http://127.0.0.1:8000 --wait 60\n" in said

    def test_another_folder(self, init, tmp_path):
        assert init("notes", "--folder", "deep/er").exit_code == 0
        assert Manifest.load(tmp_path / "deep" / "er" / "manifest.yaml").service.id == "notes"


class TestRefused:
    @pytest.mark.parametrize("name", ["Notes", "a", "../x", "no tes", "노트", "-x", "x" * 64])
    def test_what_is_no_slug(self, init, tmp_path, name):
        result = init("--", name)
        assert result.exit_code == 2
        assert "is no slug" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_there_stays_and_nothing_else_is_written(self, init, tmp_path):
        (tmp_path / "notes").mkdir()
        mine = tmp_path / "notes" / "app.py"
        mine.write_text("mine")
        result = init("notes")
        assert result.exit_code == 2
        assert "app.py is there already, so nothing was written: take another name, or --folder" in result.stderr
        assert mine.read_text() == "mine"
        assert list((tmp_path / "notes").iterdir()) == [mine]

    def test_a_place_that_can_not_be_written(self, init, tmp_path):
        (tmp_path / "file").write_text("")
        result = init("notes", "--folder", "file/notes")
        assert result.exit_code == 2
        assert "can not be written: Not a directory" in result.stderr
