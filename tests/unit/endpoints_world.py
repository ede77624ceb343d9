"""What the tests of the endpoints' file share: endpoints, and a file that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

from connectors.collect import credentials, endpoints
from connectors.collect import endpoints_format as written
from connectors.collect.endpoint import Endpoint

NOW = 1_790_000_000_000_000


def endpoint(number: int = 0) -> Endpoint:
    """An endpoint with a key and something in every field."""
    id_ = f"brevo-{number:04}"
    return Endpoint(
        id=id_,
        vendor="brevo",
        account="acme",
        source="brevo",
        event="push/push_opened",
        time_zone="Europe/Berlin",
        fields=MappingProxyType({"profile_id": "/contact/id"}),
        credentials=(credentials.issue(id_, "bearer", "", NOW, None).credential,),
        allow=("brevo", "2001:db8::/32"),
        created_at=NOW,
    )


def put(path: Path, *given: Endpoint) -> None:
    endpoints.change(path, lambda _: given)


def with_field(path: Path, place: str, value: Any) -> None:
    """The file of one endpoint with a field changed by hand; `...` takes it out."""
    file = json.loads(written.encode([endpoint()]))
    at, *steps = [int(step) if step.isdigit() else step for step in place.split(".")]
    table: Any = file
    for step in [at, *steps][:-1]:
        table = table[step]
    last = [at, *steps][-1]
    if value is ...:
        del table[last]
    else:
        table[last] = value
    path.write_text(json.dumps(file))
