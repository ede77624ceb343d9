"""The Docker rung of the ladders, through testcontainers: kept thin, and not run where no engine answers.

Ports are bound to the loopback interface of a local engine; data lives in named volumes, one per home.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.local import ports
from connectors.local.faults import StackError
from connectors.local.service import Service
from pipeline.settings_sources import process_environment

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE = "apache/kafka:4.1.1"
KAFKA_DATA = "/var/lib/kafka/data"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:26.9"
CLICKHOUSE_DATA = "/var/lib/clickhouse"
PROMETHEUS_IMAGE = "prom/prometheus:v2.53.4"
ALERTMANAGER_IMAGE = "prom/alertmanager:v0.27.0"
DOCKER_SOCKET = Path("/var/run/docker.sock")
ENGINE_SECONDS = 3  # a local engine answers in milliseconds
STOP_SECONDS = 15


def engine_answers() -> bool:
    """Whether a Docker engine of this machine can be used."""
    if "DOCKER_HOST" not in process_environment() and not DOCKER_SOCKET.exists():
        return False  # what the package would find out too, after a second of imports, and leaving a socket open
    try:
        import docker
        from docker.errors import DockerException
        from testcontainers.core.docker_client import DockerClient
    except ImportError:
        return False
    try:
        client = docker.from_env(timeout=ENGINE_SECONDS)
        client.ping()
        return DockerClient().host() in ("localhost", ports.LOOPBACK)
    except (DockerException, OSError):
        return False


def start_kafka(home: Path, port: int | None, *, bound_to_parent: bool) -> Service:
    """The container of Kafka; not yet ready.

    Raises:
        StackError: the port is taken, or Docker refuses.
    """
    chosen = ports.any_free(1)[0] if port is None else ports.demand(port, "Kafka", "--kafka-port")
    container = _container(KAFKA_IMAGE, home, "kafka", bound_to_parent=bound_to_parent)
    container.with_envs(**kafka_environment(chosen))
    return _start(container, 9092, chosen, f"{ports.LOOPBACK}:{chosen}", home, KAFKA_DATA)


def start_clickhouse(home: Path, port: int | None, *, bound_to_parent: bool) -> Service:
    """The container of ClickHouse; not yet ready.

    Raises:
        StackError: the port is taken, or Docker refuses.
    """
    chosen = ports.any_free(1)[0] if port is None else ports.demand(port, "ClickHouse", "--clickhouse-port")
    container = _container(CLICKHOUSE_IMAGE, home, "clickhouse", bound_to_parent=bound_to_parent)
    container.with_envs(CLICKHOUSE_SKIP_USER_SETUP="1")  # user default without a password; only this machine reaches it
    return _start(container, 8123, chosen, f"http://{ports.LOOPBACK}:{chosen}", home, CLICKHOUSE_DATA)


def kafka_environment(port: int) -> Mapping[str, str]:
    """Settings of the image: one node; the image's defaults no longer hold once one is given."""
    return {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{ports.LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_LOG_DIRS": KAFKA_DATA,
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def copy_programs(image: str, names: Sequence[str], into: Path) -> None:
    """Copy programs out of the /bin of an image, without running it; they are linked to nothing.

    Raises:
        StackError: Docker refuses, or the image has no such program.
    """
    import docker
    from docker.errors import DockerException

    try:
        container = docker.from_env().containers.create(image)
        try:
            for name in names:
                stream, _about = container.get_archive(f"/bin/{name}")
                unpack_stream(stream, into)
        finally:
            container.remove()
    except (DockerException, tarfile.TarError) as error:
        raise StackError(f"Docker answers, but gave no {' and '.join(names)} out of {image}: {error}") from None


def unpack_stream(stream: Iterable[bytes], into: Path) -> None:
    """Unpack a tar that comes in pieces; nothing of it may leave the folder."""
    with tempfile.TemporaryFile() as whole:
        for piece in stream:
            whole.write(piece)
        whole.seek(0)
        with tarfile.open(fileobj=whole) as tar:
            tar.extractall(into, filter="data")


def runs(container: str) -> bool:
    """Whether that container runs."""
    import docker
    from docker.errors import DockerException, NotFound

    try:
        return bool(docker.from_env(timeout=ENGINE_SECONDS).containers.get(container).status == "running")
    except (NotFound, DockerException):
        return False


def stop(container: str) -> None:
    """Stop and remove a container; its volume stays."""
    import docker
    from docker.errors import NotFound

    try:
        found = docker.from_env().containers.get(container)
        found.stop(timeout=STOP_SECONDS)
        found.remove(v=False)
    except NotFound:
        return


def _container(image: str, home: Path, part: str, *, bound_to_parent: bool) -> DockerContainer:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # Ryuk ends the containers when this process is gone: what is wanted when bound, and only then.
    testcontainers_config.ryuk_disabled = not bound_to_parent
    return DockerContainer(image).with_kwargs(labels={"tally.home": str(home), "tally.part": part})


def _start(container: Any, inner: int, outer: int, address: str, home: Path, data: str) -> Service:
    from docker.errors import DockerException

    name = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:12]
    container.ports[f"{inner}/tcp"] = (ports.LOOPBACK, outer)
    container.with_volume_mapping(f"tally-{name}-{inner}", data, "rw")
    try:
        container.start()
    except DockerException as error:
        raise StackError(
            f"Docker answers, but could not start {container.image}: {error}\n"
            "Mend Docker, or leave it out with --no-docker."
        ) from None
    return Service(address=address, by="docker", container=container.get_container_id())
