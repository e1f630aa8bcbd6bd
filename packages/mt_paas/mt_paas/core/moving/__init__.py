"""A tenant goes to another place with its data: moves between isolations, backups of one tenant, restores and clones.

:mod:`~mt_paas.core.moving.mover` is the protocol of a move, and what makes it safe;
:mod:`~mt_paas.core.moving.backups` writes, checks and restores the backup of one tenant. Both stand on the same copying
of rows (:mod:`~mt_paas.core.moving.copying`) and the same comparison (:mod:`~mt_paas.core.moving.checks`).
"""

from __future__ import annotations
