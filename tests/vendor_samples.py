"""The vendors' samples of tests/data/vendors: each with the endpoint that it needs, its clocks moved.

The samples lie on one day, which the acceptance window leaves behind: every instant of a body is moved by whole days.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from connectors.collect.endpoint import Endpoint
from connectors.collect.vendors import VENDORS

SAMPLES = Path(__file__).parent / "data" / "vendors"
ACCOUNTS = {"altcraft": "al", "brevo": "br", "connectif": "co", "mindbox": "mi", "own": "acme"}  # of the endpoints
SAMPLED = date(2026, 11, 16)
UNIQUES = ("unique_open", "unique_click", "unique_link_click")
DAYS_AGO = 2  # old enough for every zone, young enough for every window

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
    def endpoint(self) -> Endpoint:
        """The endpoint that it needs, for who translates it without a collector."""
        event, zone, fields = self.needs
        chosen = MappingProxyType(json.loads(fields))
        source = "shop" if self.vendor == "own" else self.vendor
        return Endpoint("e1", self.vendor, ACCOUNTS[self.vendor], source, event or None, zone, chosen)

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


def table(vendor: str, name: str) -> list[dict[str, str]]:
    """A table that lies beside a vendor's samples; without rows where there is none."""
    path = SAMPLES / vendor / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def samples(vendor: str, days: int) -> list[Sample]:
    """All of a vendor's, in the order of their names, moved by so many days."""
    endpoints = {row["file"]: (row["event"], row["time_zone"], row["fields"]) for row in table(vendor, "endpoints.tsv")}
    requests = {row["file"]: row for row in table(vendor, "requests.tsv")}
    found = []
    for path in sorted((SAMPLES / vendor).glob("*json")):
        needs = endpoints.get(path.name, ("", "UTC", "{}"))
        said = requests.get(path.name, {"content_type": "application/json", "headers": "{}"})
        headers = {"Content-Type": said["content_type"]} | json.loads(moved(said["headers"], "UTC", days))
        body = moved(path.read_text("utf-8"), needs[1], days)
        found.append(Sample(vendor, path.name, needs, body.encode(), headers))
    return found


def expected(vendor: str, days: int) -> list[dict[str, Any]]:
    """What its items must become, moved by so many days: times as UTC microseconds, numbers as numbers."""
    found = []
    for row in table(vendor, "expected.tsv"):
        at = datetime.fromisoformat(row["occurred_at"]) + timedelta(days=days)
        micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        numbers = {name: int(row[name]) for name in ("item", *UNIQUES, "activity")}
        found.append(row | {"occurred_at": micros} | numbers)
    return found


def days_to_now() -> int:
    """By how many days the samples are moved to be of these days. Ask once a run: midnight may be in it."""
    return (datetime.now(UTC).date() - timedelta(days=DAYS_AGO) - SAMPLED).days


def moved(text: str, zone: str, days: int) -> str:
    """A body with every instant moved; times that do not say where are of a zone, whose summers may differ."""
    by = timedelta(days=days)

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
