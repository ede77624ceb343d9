"""Time zones as Python has them, of the package that is pinned: a host's own files may be of another year."""

from __future__ import annotations

import zoneinfo
from zoneinfo import ZoneInfo

zoneinfo.reset_tzpath(to=())
ZONES = zoneinfo.available_timezones() - {"Factory"}  # of a machine whose zone was never set

__all__ = ["ZONES", "ZoneInfo"]
