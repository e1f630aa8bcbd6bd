"""The wire models of the Standard API: what a market and a service say to each other.

``lifecycle`` is version 1, ``dashboard`` version 2, ``extensions`` what a manifest may declare beyond them. Models are
strict about types and values (``"5"`` is not a number, though ``5.0`` is an integer; a time without a zone is refused)
and ignore fields that they do not know: that is how the contract grows. JSON is snake_case; times are RFC 3339 in UTC.
Validate wire data with ``Model.model_validate_json``: strictness in JSON mode is the one that the contract means.
"""

from __future__ import annotations

from mt_paas.standard_api.models.common import *  # noqa: F403 - each part names what it offers, and this is all of it
from mt_paas.standard_api.models.common import __all__ as _common
from mt_paas.standard_api.models.dashboard import *  # noqa: F403
from mt_paas.standard_api.models.dashboard import __all__ as _dashboard
from mt_paas.standard_api.models.extensions import *  # noqa: F403
from mt_paas.standard_api.models.extensions import __all__ as _extensions
from mt_paas.standard_api.models.lifecycle import *  # noqa: F403
from mt_paas.standard_api.models.lifecycle import __all__ as _lifecycle

__all__ = sorted([*_common, *_dashboard, *_extensions, *_lifecycle])  # noqa: PLE0605 - a list, made of four
