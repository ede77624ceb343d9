"""The contestants: what each is, what it promises, how many events it gets, and how it is started."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.bench.peers import environments
from tests.bench.peers.data import DataSet

HERE = Path(__file__).parent
JVM = (
    "-Xmx2g",
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "--add-opens=java.base/java.util=ALL-UNNAMED",  # Flink's serializers look into both
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)
OURS = "tally"


class Start(NamedTuple):
    """What a run of a peer needs to know."""

    data: DataSet
    job: Path  # folder of the schemas
    state: Path  # folder of its own, empty
    app: str  # a name that no other run has
    out: str  # topic of its output

    @property
    def arguments(self) -> dict[str, str]:
        """By the names that the JVM peers read, in the order of the Python peers'."""
        return {
            "bootstrap": self.data.settings.kafka_address(),
            "job": str(self.job),
            "state": str(self.state),
            "app": self.app,
            "out": self.out,
            "topics": ",".join(self.data.topics),
        }


Command = Callable[[Start], list[str]]


class Contestant(NamedTuple):
    """A peer; `share`: its events are that part of the whole number. `prepare` raises Absent where it cannot run."""

    key: str
    title: str
    guarantee: str
    share: int
    seconds_max: float  # of a run, from its start to its last event
    version: Callable[[], str]
    prepare: Callable[[Path], Command]
    aim: str | None = None


def _python(peer: str) -> Callable[[Path], Command]:
    def prepare(cache: Path) -> Command:
        python = environments.python(peer, cache)
        script = HERE / "python" / f"{peer}_peer.py"
        return lambda start: [str(python), str(script), *start.arguments.values()]

    return prepare


def _java(peer: str, main: str) -> Callable[[Path], Command]:
    def prepare(cache: Path) -> Command:
        path = environments.class_path(peer, cache)
        java = shutil.which("java") or "java"

        def command(start: Start) -> list[str]:
            given = [f"-D{name}={value}" for name, value in start.arguments.items()]
            return [java, *JVM, *given, "-cp", path, main]

        return command

    return prepare


PEERS = (
    Contestant(
        "streams",
        "Kafka Streams",
        "exactly_once_v2",
        1,
        150,
        lambda: environments.depended("streams", "kafka-streams"),
        _java("streams", "StreamsPeer"),
        "peers.streams",
    ),
    Contestant(
        "flink",
        "Flink",
        "exactly once",
        1,
        150,
        lambda: environments.depended("flink", "flink-streaming-java"),
        _java("flink", "FlinkPeer"),
        "peers.flink",
    ),
    Contestant(
        "bytewax",
        "Bytewax",
        "at least once",
        10,
        90,
        lambda: environments.pinned("bytewax", "bytewax"),
        _python("bytewax"),
    ),
    Contestant(
        "quix",
        "Quix Streams",
        "exactly once",
        10,
        90,
        lambda: environments.pinned("quix", "quixstreams"),
        _python("quix"),
        "peers.quix",
    ),
    Contestant(
        "faust",
        "stock Faust",
        "at least once",
        100,
        120,
        lambda: environments.pinned("faust", "faust-streaming"),
        _python("faust"),
        "peers.faust",
    ),
)
BY_KEY: Mapping[str, Contestant] = {peer.key: peer for peer in PEERS}
