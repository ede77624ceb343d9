"""The vendors' samples as deliveries to a collector that runs: each endpoint as its sample needs it, each clock moved.

The samples lie on one day, which the acceptance window leaves behind: every instant of a body is moved by whole days.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from connectors.collect.vendors import VENDORS
from connectors.local.ports import any_free
from pipeline.cli import app
from tests.e2e.deployment import Deployment
from tests.integration.sink_world import await_that

SAMPLES = Path(__file__).parents[1] / "data" / "vendors"
ACCOUNTS = {"altcraft": "al", "brevo": "br", "connectif": "co", "mindbox": "mi", "own": "acme"}  # of the endpoints
SAMPLED = date(2026, 11, 16)
DAYS_AGO = 2  # to which the samples are moved: old enough for every zone, young enough for every window
COLLECTOR = "collector"
POST_SECONDS = 30

# An instant in words; one that ends right behind the seconds does not say where that is.
_TOLD = re.compile(r"(?P<day>2026-11-16|16\.11\.2026)(?P<gap>[ T])(?P<time>\d\d:\d\d:\d\d)(?P<end>\"?)")
_SINCE_1970 = re.compile(r"(?<![\w.])\d{10}(?:\d{3})?(?![\w.])")


class Sample(NamedTuple):
    """A file of a vendor's, moved: the endpoint that it needs (event, zone, fields), and what its request has."""

    vendor: str
    file: str
    needs: tuple[str, str, str]
    body: bytes
    headers: Mapping[str, str]

    @property
    def items(self) -> list[Any]:
        """What it delivers."""
        if self.file.endswith(".ndjson"):
            return [json.loads(line) for line in self.body.splitlines()]
        found = VENDORS[self.vendor].items(json.loads(self.body))
        assert found is not None
        return found

    def alone(self, number: int) -> Sample:
        """One item of it, delivered by itself."""
        item, kind = self.items[number], self.headers["Content-Type"].replace("-batch", "").replace("x-ndjson", "json")
        body = json.dumps(item if "cloudevents" in kind else [item])
        return self._replace(body=body.encode(), headers=dict(self.headers) | {"Content-Type": kind})


class Answered(NamedTuple):
    """What the collector said: status, and how many items it took and refused."""

    status: int
    accepted: int
    rejected: int


class Place(NamedTuple):
    """Where an endpoint takes deliveries, and the header that carries its key."""

    path: str
    key: Mapping[str, str]


def table(vendor: str, name: str) -> list[dict[str, str]]:
    """A table that lies beside a vendor's samples; without rows where there is none."""
    path = SAMPLES / vendor / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def samples(vendor: str) -> list[Sample]:
    """All of a vendor's, in the order of their names."""
    endpoints = {row["file"]: (row["event"], row["time_zone"], row["fields"]) for row in table(vendor, "endpoints.tsv")}
    requests = {row["file"]: row for row in table(vendor, "requests.tsv")}
    found = []
    for path in sorted((SAMPLES / vendor).glob("*json")):
        needs = endpoints.get(path.name, ("", "UTC", "{}"))
        said = requests.get(path.name, {"content_type": "application/json", "headers": "{}"})
        headers = {"Content-Type": said["content_type"]} | json.loads(moved(said["headers"], "UTC"))
        found.append(Sample(vendor, path.name, needs, moved(path.read_text("utf-8"), needs[1]).encode(), headers))
    return found


@functools.cache
def days_moved() -> int:
    """By how many days every instant is moved; the same all through a run, whenever midnight is."""
    return (datetime.now(UTC).date() - timedelta(days=DAYS_AGO) - SAMPLED).days


def moved(text: str, zone: str) -> str:
    """A body with every instant moved; times that do not say where are of a zone, whose summers may differ."""
    by = timedelta(days=days_moved())

    def told(found: re.Match[str]) -> str:
        form = "%Y-%m-%d" if found["day"] == str(SAMPLED) else "%d.%m.%Y"
        if found["end"] and form == "%Y-%m-%d":
            at = datetime.fromisoformat(f"{found['day']}T{found['time']}").replace(tzinfo=ZoneInfo(zone))
            there = (at.astimezone(UTC) + by).astimezone(ZoneInfo(zone))
            return there.strftime(f"%Y-%m-%d{found['gap']}%H:%M:%S{found['end']}")
        return f"{(SAMPLED + by).strftime(form)}{found['gap']}{found['time']}{found['end']}"

    def counted(found: re.Match[str]) -> str:
        a_second = 1000 if len(found[0]) > len("1794787200") else 1
        if datetime.fromtimestamp(int(found[0]) / a_second, UTC).date() != SAMPLED:
            return found[0]
        return str(int(found[0]) + int(by.total_seconds()) * a_second)

    return _SINCE_1970.sub(counted, _TOLD.sub(told, text))


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
