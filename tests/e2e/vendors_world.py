"""A collector that runs beside a deployment, with the endpoints that the vendors' samples need."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from typer.testing import CliRunner

from connectors.local.ports import any_free
from pipeline.cli import app
from tests.e2e.deployment import Deployment
from tests.integration.sink_world import await_that
from tests.vendor_samples import ACCOUNTS, Sample

COLLECTOR = "collector"
POST_SECONDS = 30


class Answered(NamedTuple):
    """What the collector said: status, and how many items it took and refused."""

    status: int
    accepted: int
    rejected: int


class Place(NamedTuple):
    """Where an endpoint takes deliveries, and the header that carries its key."""

    path: str
    key: Mapping[str, str]


class Collector:
    """A collector that runs beside a deployment's workers and its sink."""

    def __init__(self, deployment: Deployment, delivered: Iterable[Sample]) -> None:
        """Makes the endpoints that the samples need first: a running collector looks for new ones once a second."""
        self.deployment = deployment
        self.taken = 0  # items of all deliveries
        self._places = {needed: _made(*needed) for needed in {(one.vendor, one.needs) for one in delivered}}
        (port,) = any_free(1)
        self._address = f"http://127.0.0.1:{port}"
        self._services = deployment.services
        self._services.start(COLLECTOR, ["collect", "--port", str(port)])
        await_that(lambda: "deliveries are taken" in self._log(), self._log)

    def deliver(self, sample: Sample) -> Answered:
        """Its body, as its vendor would send it."""
        place = self._places[sample.vendor, sample.needs]
        headers = dict(sample.headers) | place.key
        request = urllib.request.Request(self._address + place.path, sample.body, headers)
        with urllib.request.urlopen(request, timeout=POST_SECONDS) as response:
            said = json.load(response)
            rejected = said["rejected"] if isinstance(said["rejected"], int) else len(said["rejected"])
            found = Answered(response.status, said["accepted"], rejected)
        self.taken += found.accepted + found.rejected
        return found

    def await_sunk(self) -> None:
        """Until all that it took is in ClickHouse."""
        self.deployment.await_sunk(self.taken)

    def _log(self) -> str:
        self._services.check()
        return self._services.log(COLLECTOR).read_text(encoding="utf-8")


def _made(vendor: str, needs: tuple[str, str, str]) -> Place:
    """A new endpoint, as `tally endpoints new` tells of it."""
    event, zone, fields = needs
    command = ["endpoints", "new", "--vendor", vendor, "--account", ACCOUNTS[vendor], "--format", "json"]
    command += ["--time-zone", zone]
    command += ["--event", event] if event else []
    command += ["--source", "shop"] if vendor == "own" else []
    command += [part for role, at in json.loads(fields).items() for part in ("--field", f"{role}={at}")]
    run = CliRunner().invoke(app.app, command)
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    (how,), (key,) = said["authenticate"], said["credentials"]
    header, _, value = how.partition(": ")
    return Place(urlsplit(said["url"]).path, {} if key["kind"] == "path" else {header: value})
