"""What the tests of a tenant-aware service need, and of whoever calls one: the extra ``testing``.

``plugin`` has the fixtures of pytest: a real database, a market that drives the service, an active tenant. ``doubles``
has services, right ones and wrong ones; ``conformance`` makes a test of each check. Where the distribution is not
installed but only on the path, a project loads the plugin in the ``conftest.py`` at its root:
``pytest_plugins = ["mt_paas.testing.plugin"]``.
"""
