"""Changes of tenants' tables by Alembic: the service's scripts, their run over one tenant, and over all of them.

:mod:`~mt_paas.core.migrations.scripts` knows the scripts and runs them on a connection,
:mod:`~mt_paas.core.migrations.fleet` brings all tenants of a service to a revision and says what became of each. The
scripts need the extra ``migrations``; what is written down about them does not.
"""

from __future__ import annotations
