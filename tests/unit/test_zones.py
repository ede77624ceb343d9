"""Time zones by name: those of the package, whatever the host has."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from pipeline.core import zones
from tests.events import plan
from tests.partition import Partition, reasons

HOSTS = ["localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/Europe/Berlin", "europe/berlin", "Europe/"]


@pytest.fixture
def odd_host(tmp_path: Path) -> Iterator[None]:
    """A host whose Berlin has Tokyo's clocks, and which has a zone that nobody else knows."""
    tokyo = resources.files("tzdata").joinpath("zoneinfo/Asia/Tokyo").read_bytes()
    for name in ("Europe/Berlin", "Mars/Olympus"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(tokyo)
    _forget(str(tmp_path))
    yield
    _forget()


def _forget(*folders: str) -> None:
    """Forget every zone; from now on the host's are in these folders."""
    zoneinfo.reset_tzpath(to=folders)
    zoneinfo.ZoneInfo.clear_cache()
    zones.names.cache_clear()
    zones.zone.cache_clear()


@pytest.mark.parametrize("name", HOSTS)
def test_a_name_that_means_something_else_on_each_host_is_no_zone(name: str) -> None:
    assert reasons(Partition().send(plan(1, time_zone=name))) == ["impossible_field"]


@pytest.mark.parametrize("name", [*HOSTS, "", "zone.tab", "../zones", "Mars/Olympus"])
def test_what_is_no_zone_s_name_is_told(name: str) -> None:
    with pytest.raises(KeyError):
        zones.zone(name)


@pytest.mark.usefixtures("odd_host")
def test_the_host_s_own_zones_are_not_asked() -> None:
    assert zones.zone("Europe/Berlin").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=1)  # noqa: DTZ001


@pytest.mark.usefixtures("odd_host")
def test_the_host_s_own_names_are_not_asked() -> None:
    assert "Mars/Olympus" not in zones.names()
    assert "Asia/Tokyo" in zones.names()


def test_every_name_has_its_zone() -> None:
    assert {zones.zone(name).key for name in zones.names()} == zones.names()
