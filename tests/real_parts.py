"""The real parts, started once a run through the same ladder as `tally up`, ended with the run however it ends."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.local import clickhouse as clickhouse_ladder
from connectors.local import kafka as kafka_ladder
from connectors.local import prometheus as prometheus_ladder
from connectors.local.jars import KAFKA_VERSION
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Wish
from pipeline.settings import Settings, load

RealPart = Callable[[str, str], None]


@pytest.fixture(scope="session")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run's own stack."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def stack_settings(stack_home: Path) -> Settings:
    """Settings of the environment (an address given is used), with the run's own home."""
    return load({"home": str(stack_home)})


@pytest.fixture(scope="session")
def bound_wish() -> Iterator[Wish]:
    """Starts parts that end with this run, even when it is killed."""
    keeper = Keeper()
    yield Wish(bound_to_parent=True, born=keeper.bind)
    keeper.close()


@pytest.fixture(scope="session")
def kafka(stack_settings: Settings, bound_wish: Wish, real_part: RealPart) -> str:
    """The bootstrap address of a real Kafka. Share it: prefix your topics and groups."""
    service = kafka_ladder.start(stack_settings, bound_wish, silent)
    real_part("kafka", KAFKA_VERSION if service.by == "jars" else f"by {service.by}")
    return service.address


@pytest.fixture(scope="session")
def clickhouse(stack_settings: Settings, bound_wish: Wish, real_part: RealPart) -> str:
    """The URL of a real ClickHouse engine. Share it: use a database of your own."""
    service = clickhouse_ladder.start(stack_settings, bound_wish, silent)
    with urllib.request.urlopen(f"{service.address}/?query=SELECT%20version()", timeout=10) as answer:
        real_part("clickhouse", answer.read().decode().strip())
    return service.address


@pytest.fixture(scope="session")
def prometheus_tools(real_part: RealPart) -> prometheus_ladder.Tools:
    """Prometheus, promtool, Alertmanager and amtool, fetched on the first use on a machine (half a minute)."""
    tools = prometheus_ladder.find(silent)
    real_part("prometheus", tools.version)
    return tools


@pytest.fixture(scope="session")
def promtool(prometheus_tools: prometheus_ladder.Tools) -> Path:
    """The program `promtool`."""
    return prometheus_tools.promtool
