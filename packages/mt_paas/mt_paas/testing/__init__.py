"""What the tests of a tenant-aware service need: a pytest plugin with a real database, and doubles that fail on demand.

A project loads the plugin in the ``conftest.py`` at its root: ``pytest_plugins = ["mt_paas.testing.plugin"]``.
"""
