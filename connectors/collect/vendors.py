"""The vendors by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connectors.collect.connectif import export
from connectors.collect.connectif import rows as connectif
from connectors.collect.mindbox import rows as mindbox
from connectors.collect.altcraft.rows import ALTCRAFT
from connectors.collect.translation import Vendor

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "connectif": Vendor("connectif", connectif.items, connectif.translate, export.row),
        "mindbox": Vendor("mindbox", mindbox.items, mindbox.translate, mindbox.row),
    }
)
