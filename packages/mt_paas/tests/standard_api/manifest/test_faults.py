"""Every fault of a manifest at once, with its place. The variants in broken_variants.diff are edits of keli_tutor's."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from mt_paas.errors import ManifestError
from mt_paas.standard_api.manifest import Manifest, check


class Variant(NamedTuple):
    removed: str
    added: str
    faults: list[str]


def variants() -> list[object]:
    """Read the blocks: a sentence, the lines that go (-) and that come (+), and the faults as they are printed."""
    found: list[object] = []
    for block in Path(__file__).with_name("broken_variants.diff").read_text(encoding="utf-8").strip().split("\n\n"):
        sentence, *lines = block.split("\n")
        removed = "".join(line[2:] + "\n" for line in lines if line.startswith("- "))
        added = "".join(line[2:] + "\n" for line in lines if line.startswith("+ "))
        faults = [f"m.yaml:{line}" for line in lines if line[0] not in "+-"]
        found.append(pytest.param(Variant(removed, added, faults), id=sentence.removeprefix("# ").replace(" ", "_")))
    return found


@pytest.mark.parametrize("variant", variants())
def test_each_fault_is_told_with_its_place(keli: str, variant: Variant) -> None:
    assert keli.count(variant.removed) == 1
    with pytest.raises(ManifestError) as refused:
        Manifest.parse(keli.replace(variant.removed, variant.added), "m.yaml")
    assert str(refused.value).splitlines() == variant.faults


class TestSlips:
    """A key that nobody knows."""

    def test_one_that_is_like_no_other_is_a_warning(self, keli: str) -> None:
        report = check(keli.replace("  vendor:", "  homepage: x\n  vendor:"))
        assert report.manifest is not None
        assert [fault.describe() for fault in report.warnings] == [
            "manifest.yaml:10:3: service.homepage: is not known here and is ignored"
        ]

    def test_one_that_is_like_a_key_that_is_there_is_a_warning(self, keli: str) -> None:
        report = check(keli.replace("  vendor:", "  vendors: x\n  vendor:"))
        assert report.manifest is not None
        assert [fault.path for fault in report.warnings] == ["service.vendors"]

    def test_a_slip_of_an_optional_key_is_a_fault(self, keli: str) -> None:
        report = check(keli.replace("  usage_report:", "  usage-reports:"))
        assert [(fault.path, fault.suggestion) for fault in report.faults] == [
            ("endpoints.usage-reports", "did you mean `usage_report`?")
        ]

    def test_max_memory_is_no_slip_of_min_memory(self, keli: str) -> None:
        assert check(keli.replace("min_memory", "max_memory")).manifest is not None

    def test_two_slips_of_one_key_correct_only_the_first(self, keli: str) -> None:
        report = check(keli.replace("  vendor:", "  vendr: x\n  vendorr:"))
        assert [fault.path for fault in report.faults] == ["service.vendr"]
        assert [fault.path for fault in report.warnings] == ["service.vendorr"]

    def test_what_stands_under_a_misspelt_key_is_judged_too(self, keli: str) -> None:
        report = check(
            keli.replace("isolation:", "isolated:").replace("isolated:\n  supported", "isolatoin:\n  suported")
        )
        assert [fault.path for fault in report.faults] == ["isolatoin", "isolation.suported"]

    def test_correcting_a_slip_in_a_repeated_value_leaves_its_other_places_alone(self, keli: str) -> None:
        text = keli.replace("auth:\n", "auth: &shared\n").split("# 요금제별 기능")[0] + "resources: *shared\n"
        report = check(text.replace('  type: "api_key"', '  storge: 1GB\n  type: "api_key"'))
        assert [fault.path for fault in report.faults] == ["resources.storge"]
        assert [fault.path for fault in report.warnings] == ["auth.storge", "resources.type", "resources.header"]


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "http://[::g]",
            "http://[v1.a:b]",
            "http://a:0",
            "http://a:65536",
            "http://",
            "http://-a.kr",
            "http://a..kr",
            "http://a b",
            "http://a\\b",
            "https://a/%zz",
            "https://a#b",
            "https:a",
            "file:///etc/passwd",
            pytest.param("http://" + "a." * 130, id="a_host_of_260_characters"),
        ],
    )
    def test_what_is_no_address_of_a_service_is_a_fault(self, keli: str, address: str) -> None:
        report = check(keli.replace("https://keli.k-university.ai", address.replace("\\", "\\\\")))
        assert [fault.path for fault in report.faults] == ["endpoints.base_url"]

    @pytest.mark.parametrize("path", ["//other.example/x", "data:x", "/a#b", "/a\\\\b", "/%2e%2E/x", "/ü", "/a%", ""])
    def test_what_is_no_path_is_a_fault(self, keli: str, path: str) -> None:
        report = check(keli.replace("/mt/health", path))
        assert {fault.path for fault in report.faults} == {"endpoints.health"}


class TestMessages:
    def test_a_password_in_an_address_is_not_repeated(self, keli: str) -> None:
        for address in (
            "https://u:hunter2@h.example",
            "u:hunter2@h.example",
            "ftp://u:hunter2@h",
            "http://u:hunter2@[x",
        ):
            report = check(keli.replace("https://keli.k-university.ai", address))
            assert report.faults
            assert "hunter2" not in repr(report)

    def test_control_characters_do_not_reach_a_terminal(self, keli: str) -> None:
        report = check(keli.replace('"api_key"', '"\\e[31mred"').replace("  basic:", '  "\\e[31mred":'))
        assert report.faults
        assert all(fault.describe().isprintable() for fault in report.faults)

    def test_a_long_value_is_shortened(self, keli: str) -> None:
        report = check(keli.replace('"api_key"', '"' + "x" * 5000 + '"'))
        assert max(len(fault.describe()) for fault in report.faults) < 300

    def test_every_finding_of_one_value_is_told(self, keli: str) -> None:
        report = check(keli.replace("/mt/tenant/{tenant_id}/activate", "mt/{tenant}/../{id}"))
        assert [fault.message for fault in report.faults] == [
            'has a variable that nobody fills in: "{tenant}"',
            'has a variable that nobody fills in: "{id}"',
            "does not begin with a slash",
            'has a segment "." or ".."',
        ]

    def test_faults_come_in_the_order_of_the_text(self, keli: str) -> None:
        report = check(keli.replace('"api_key"', "x").replace('"2GB"', "x").replace('"1.0"\n', "x\n"))
        assert [fault.line for fault in report.faults] == [2, 30, 60]


class TestFiles:
    def test_a_file_that_is_not_there_is_a_fault(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"absent\.yaml:1:1: document: can not be read: No such file"):
            Manifest.load(tmp_path / "absent.yaml")

    def test_faults_name_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        file.write_text("[]")
        with pytest.raises(ManifestError, match=r"mine\.yaml:1:1: document: is a list; expected a mapping"):
            Manifest.load(str(file))

    def test_a_huge_file_is_not_read_whole(self, tmp_path: Path) -> None:
        file = tmp_path / "huge.yaml"
        with file.open("wb") as sparse:
            sparse.truncate(1 << 40)
        with pytest.raises(ManifestError, match="is too large; expected at most 256 KiB"):
            Manifest.load(file)
