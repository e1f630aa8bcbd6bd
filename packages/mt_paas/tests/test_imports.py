"""What importing mt_paas takes, and what it promises: each in a process of its own, where nothing is imported yet."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import mt_paas
import pytest
from mt_paas import conformance, core, simulator, standard_api

# What a machine has that ran nothing but ``pip install mt-paas``: pydantic, httpx2, and what these two need.
BASE_INSTALL = {
    *("mt_paas", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    *("httpx2", "httpcore2", "h11", "anyio", "idna", "truststore", "certifi", "sniffio"),
}

BLOCK = """
import sys, sysconfig

sysconfig.get_config_vars()  # imports a module of the standard library whose name depends on the machine
before = set(sys.modules)

class Block:
    allowed = {allowed!r} | set(sys.stdlib_module_names)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Block())
"""


def run(code: str, *, allowed: set[str] = BASE_INSTALL) -> str:
    """Run ``code`` where nothing outside of ``allowed`` and the standard library can be imported; return its output."""
    script = BLOCK.format(allowed=allowed) + textwrap.dedent(code)
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestBaseInstall:
    def test_the_package_imports(self):
        run("import mt_paas, mt_paas.standard_api, mt_paas.errors")

    def test_nothing_but_pydantic_and_httpx2_is_imported_where_there_is_more(self):
        code = """
            import mt_paas, mt_paas.standard_api
            print(*{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
        """
        everything = {"fastapi", "sqlalchemy", "ruamel", "psycopg", "starlette", "service_market", "uvicorn"}
        assert set(run(code, allowed=BASE_INSTALL | everything).split()) <= BASE_INSTALL

    def test_the_package_itself_loads_nothing_before_it_is_asked(self):
        loaded = run("import mt_paas; print(*sorted(name for name in sys.modules if name.startswith('mt_paas')))")
        assert loaded.split() == ["mt_paas", "mt_paas.utils", "mt_paas.utils.lazy"]

    def test_what_needs_no_extra_works(self):
        run("""
            from mt_paas import Manifest, MarketplaceClient, StandardAPIClient, TenantLifecycle, errors
            from mt_paas.standard_api import ActivateRequest, AddressPolicy, Timeouts, error_registry
            assert errors.MtPaasError and error_registry()
        """)

    @pytest.mark.parametrize(
        "name", ["create_standard_router", "setup_multi_tenant", "CurrentTenant", "CurrentUser", "TenantManager"]
    )
    def test_what_needs_an_extra_says_which_one(self, name):
        told = run(f"""
            import mt_paas
            try:
                mt_paas.{name}
            except mt_paas.errors.MissingExtraError as error:
                print(error)
        """)
        assert "needs an extra that is not installed: pip install" in told


class TestPublicNames:
    @pytest.mark.parametrize("module", [mt_paas, standard_api, core, conformance, simulator])
    def test_they_are_sorted_and_all_there(self, module):
        order = sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
        assert module.__all__ == order
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert dir(module) == sorted(module.__all__)

    @pytest.mark.parametrize("module", [mt_paas, standard_api, core, conformance, simulator])
    def test_another_name_is_an_attribute_error(self, module):
        with pytest.raises(AttributeError, match="has no attribute 'Tenent'"):
            module.Tenent  # noqa: B018 - the access is what is tested
