"""The vendors by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connectors.collect.translation import Vendor

VENDORS: Mapping[str, Vendor] = MappingProxyType({})
