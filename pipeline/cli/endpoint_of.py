"""The endpoint that an option names, with its vendor, for commands that read other things than deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.collect.endpoint import Endpoint
    from connectors.collect.translation import Vendor
    from pipeline.settings import Settings


def endpoint_of(settings: Settings, endpoint_id: str) -> tuple[Endpoint, Vendor]:
    """The endpoint of an id, or the end of the command with what to do."""
    from connectors.collect.endpoints import Store, StoreError
    from connectors.collect.vendors import VENDORS

    try:
        found = Store(settings.endpoints_file()).by_id(endpoint_id)
    except StoreError as error:
        console.fail(str(error))
    if found is None:
        mend = "`tally endpoints list` shows those there are, `tally endpoints new` makes one"
        console.fail(f"no endpoint {endpoint_id!r} in {settings.endpoints_file()}: {mend}", console.Exit.USAGE)
    if found.vendor not in VENDORS:
        known = ", ".join(sorted(VENDORS))
        console.fail(f"endpoint {found.id} is of vendor {found.vendor!r}, which this tally does not know: {known}")
    return found, VENDORS[found.vendor]
