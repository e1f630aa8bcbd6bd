"""What the documents say is so: pages, links, commands, examples, and a reason for every dependency."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from mt_paas.cli.application import app as library_command_line
from mt_paas.standard_api import ActivateRequest, Admin, Manifest
from mt_paas.testing.doubles import serve
from mt_paas.testing.tenants import drop_registry
from service_market.assembly import Addresses, assemble
from service_market.cli.application import app as command_line
from service_market.main import create_app
from service_market.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md"), *(ROOT / "docs").rglob("*.md")], key=str)
WRITTEN = [page for page in PAGES if "reference" not in page.parts]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


class TestReference:
    def test_every_command_setting_route_permission_and_error_is_documented(self):
        check = subprocess.run(
            [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (check.returncode, check.stderr) == (0, "")

    async def test_the_errors_without_a_class_are_what_the_market_answers(self, tmp_path):
        market = assemble(Settings(home=tmp_path), Addresses("postgresql://nobody@127.0.0.1/nothing"))
        transport = httpx2.ASGITransport(app=create_app(market))
        async with httpx2.AsyncClient(transport=transport, base_url="http://market.test") as caller:
            answer = await caller.post("/")
        await market.close()
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")

    def test_every_variable_that_the_code_reads_by_itself_is_on_the_page(self):
        read = re.compile(r"""(?:environ\.get\(|environ\[|getenv\()["']((?:MT|MARKET)_\w+)["']""")
        sources = [*ROOT.glob("packages/*/*/**/*.py"), *ROOT.glob("services/*/*/**/*.py")]
        names = {name for source in sources for name in read.findall(source.read_text(encoding="utf-8"))}
        page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
        assert [name for name in sorted(names) if f"`{name}`" not in page] == []


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_every_link_leads_somewhere(self, page):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        dead = []
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith(("https://", "http://")):
                continue
            file, _, anchor = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            if not there.exists() or (anchor and anchor not in anchors(there)):
                dead.append(target)
        assert dead == []

    def test_the_index_names_every_page(self):
        index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
        pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
        assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def printed_commands() -> Iterator[tuple[str, str]]:
    for page in WRITTEN:
        for block in [*blocks(page, "console"), *blocks(page, "sh")]:
            for line in block.splitlines():
                for found in re.findall(r"(?:^\$ |\s)((?:market|mt-paas) (?!:).*?)(?= #|$)", line.partition(" #")[0]):
                    yield name_of(page), found
        for found in re.findall(r"`((?:market|mt-paas) [a-z][^`]*)`", page.read_text(encoding="utf-8")):
            yield name_of(page), found


class TestCommands:
    @pytest.mark.parametrize(("page", "line"), sorted(set(printed_commands())))
    def test_a_printed_command_exists_with_its_options(self, page, line):
        program, *words = shlex.split(line.replace("$(", "").replace(")", ""))
        command: Any = typer.main.get_command({"market": command_line, "mt-paas": library_command_line}[program])
        if words == ["--help"]:
            return
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, f"there is no command {line!r}"
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in option.opts} | {"--help"}
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        assert [option for option in options if option not in known] == []

    @pytest.mark.parametrize("page", WRITTEN, ids=name_of)
    def test_no_command_sends_all_keys_of_a_service_as_one(self, page):
        commands = "".join([*blocks(page, "console"), *blocks(page, "sh")])
        assert re.findall(r".*\$\{?MT_API_KEYS.*", commands) == []  # two, with a comma, while one replaces the other

    @pytest.mark.parametrize("page", WRITTEN, ids=name_of)
    def test_a_named_target_of_make_exists(self, page):
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= targets


class TestExamples:
    @pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
    def test_the_readme_shows_the_sample_service_as_it_is(self, readme):
        source = (ROOT / "services/sample_service/sample_service/app.py").read_text(encoding="utf-8")
        assert blocks(ROOT / readme, "python") == [source]

    def test_both_readmes_show_the_same_output(self):
        assert blocks(ROOT / "README.md", "text") == blocks(ROOT / "README.ko.md", "text")
        assert blocks(ROOT / "README.md", "console") == blocks(ROOT / "README.ko.md", "console")

    @pytest.mark.parametrize("page", [page for page in WRITTEN if blocks(page, "yaml")], ids=name_of)
    def test_every_manifest_is_right(self, page):
        for text in blocks(page, "yaml"):
            Manifest.parse(text)

    async def test_the_service_of_the_tutorial_works(self, fresh_database, tmp_path, monkeypatch):
        page = ROOT / "docs/tutorial/first-service.md"
        (source,), (manifest,) = blocks(page, "python"), blocks(page, "yaml")
        (tmp_path / "app.py").write_text(source, encoding="utf-8")
        (tmp_path / "manifest.yaml").write_text(manifest, encoding="utf-8")
        monkeypatch.setenv("MT_DATABASE_URL", fresh_database)
        monkeypatch.setenv("MT_API_KEYS", "the-key-of-the-tutorial")
        try:
            async with serve(_module(tmp_path / "app.py").app) as url, httpx2.AsyncClient(base_url=url) as caller:
                await _read_and_write_books(caller)
        finally:
            drop_registry(fresh_database)

    async def test_the_test_with_a_double_passes(self):
        *_, example = blocks(ROOT / "docs/howto/test-with-fault-doubles.md", "python")
        names: dict[str, Any] = {}
        exec(compile(example, "test-with-fault-doubles.md", "exec"), names)  # noqa: S102 - our own page
        for name, test in names.items():
            if name.startswith("test_"):
                await test()


def _module(path: Path) -> Any:
    spec = spec_from_file_location("app_of_the_tutorial", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _read_and_write_books(caller: httpx2.AsyncClient) -> None:
    activation = ActivateRequest(
        tenant_id="tutorial_univ",
        tenant_name="한림대학교",
        plan="basic",
        admin=Admin(email="admin@hallym.ac.kr", name="홍길동"),
    )
    activated = await caller.post(
        "/mt/tenant/tutorial_univ/activate",
        content=activation.model_dump_json(exclude_none=True),
        headers={"X-Market-API-Key": "the-key-of-the-tutorial", "Content-Type": "application/json"},
    )
    assert activated.status_code == 200, activated.text
    link = httpx2.URL(activated.json()["admin_credentials"]["setup_url"])
    key = (await caller.post(f"{link.path}?{link.query.decode()}")).json()["access_key"]
    user = {"Authorization": f"Bearer {key}"}
    written = await caller.post("/app/books", json={"title": "토지"}, headers=user)
    assert written.status_code == 201, written.text
    assert (await caller.get("/app/books", headers=user)).json() == [{"title": "토지"}]
    assert (await caller.get("/app/books")).status_code == 401


class TestSize:
    def test_the_architecture_fits_on_a_page(self):
        assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 80


def reasons() -> dict[str, set[str]]:
    """The packages that ``dependencies.md`` gives a reason for, by the distribution that needs them."""
    text = (ROOT / "docs/explanation/dependencies.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    named = {}
    for title, section in zip(sections[::2], sections[1::2], strict=True):
        rows = [row.split("|")[1].strip() for row in section.splitlines() if row.startswith("| ")]
        named[title] = set(rows) - {"package", "---"}
    return named


def needed(project: Path) -> set[str]:
    document = tomllib.loads(project.read_text(encoding="utf-8"))
    own, listed = document["project"]["name"], list(document["project"].get("dependencies", []))
    for extra in document["project"].get("optional-dependencies", {}).values():
        listed += extra
    for group in document.get("dependency-groups", {}).values():
        listed += group
    return {re.split(r"[\[<>=~! ]", each)[0] for each in listed} - {own}


class TestDependencies:
    def test_every_direct_dependency_has_a_reason_and_every_reason_a_dependency(self):
        projects = [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
        wanted = {tomllib.loads(each.read_text(encoding="utf-8"))["project"]["name"]: needed(each) for each in projects}
        wanted["The workspace"] = needed(ROOT / "pyproject.toml")
        node = json.loads((ROOT / "tests/contract/node/package.json").read_text(encoding="utf-8"))
        wanted["The tools of tests/contract"] = set(node["devDependencies"])
        assert reasons() == wanted
