"""The vendors by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connectors.collect.altcraft import columns
from connectors.collect.altcraft import rows as altcraft
from connectors.collect.brevo import columns as brevo_columns
from connectors.collect.brevo import rows as brevo
from connectors.collect.connectif import export
from connectors.collect.connectif import rows as connectif
from connectors.collect.mindbox import rows as mindbox
from connectors.collect.own.deliveries import OWN
from connectors.collect.translation import Vendor

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "altcraft": Vendor("altcraft", altcraft.items, altcraft.translate, columns.row),
        # Any 4xx but 429, and any 5xx, makes Brevo discard the webhook: it is told to try again by 429 alone.
        "brevo": Vendor("brevo", brevo.items, brevo.translate, brevo_columns.row, try_again=429),
        "connectif": Vendor("connectif", connectif.items, connectif.translate, export.row),
        "mindbox": Vendor("mindbox", mindbox.items, mindbox.translate, mindbox.row),
        "own": OWN,
    }
)
