"""The settings: one frozen tree, built once by `load`; every fault in one message.

Precedence: option > environment (TALLY_TOPICS__PARTITIONS) > file (tally.toml, or TALLY_CONFIG) > default.
A secret may be given by a file: TALLY_CLICKHOUSE__PASSWORD_FILE. Addresses that are not set come from the
local stack, <home>/stack.json. `docs/settings.md` is generated from this module.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

from pipeline.settings_faults import Fault, SettingsError
from pipeline.settings_sources import env_name, fields, gather, nest, process_environment

__all__ = ["Settings", "SettingsError", "load"]

MIB = 1024 * 1024
STACK_FILE = "stack.json"
SEED_FILE = "hash_seed"
SEED_DIGITS = 16  # hexadecimal: the 64 bits that xxh3 takes
_SEED = re.compile(rf"[0-9a-fA-F]{{{SEED_DIGITS}}}")
_NAME = r"^[A-Za-z0-9._-]+$"


class Section(BaseModel):
    """A part of the tree: frozen, no keys but its own, no secret in a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Kafka(Section):
    """How to reach Kafka; both clients get their security from here."""

    bootstrap_servers: str | None = Field(
        None,
        pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$",
        description="Brokers, host:port[,host:port]; unset: the local stack.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the connection is secured."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How to log in, with a SASL protocol."
    )
    sasl_username: str | None = Field(None, description="User of the login.")
    sasl_password: SecretStr | None = Field(None, description="Password of the login.")
    sasl_password_file: Path | None = Field(None, description="File with that password.")
    ssl_ca_location: Path | None = Field(None, description="PEM file of the authority; unset: the system's.")
    ssl_certificate_location: Path | None = Field(None, description="PEM file of the client's certificate.")
    ssl_key_location: Path | None = Field(None, description="PEM file of the client's key.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of that key.")
    ssl_key_password_file: Path | None = Field(None, description="File with the key's password.")


class Topics(Section):
    """The topics' shape; `tally topics apply` makes it so."""

    prefix: str = Field("", max_length=100, pattern=r"^[A-Za-z0-9._-]*$", description="In front of every topic's name.")
    partitions: int = Field(
        4, ge=1, le=1024, description="Of every topic; fixed once created. Best divisible by the workers."
    )
    replication_factor: int = Field(1, ge=1, le=15, description="Copies of every partition; 3 outside a laptop.")
    min_insync_replicas: int = Field(1, ge=1, le=15, description="Copies that must have a record; 2 outside a laptop.")
    journal_message_bytes: int = Field(
        16 * MIB, ge=256 * 1024, le=256 * MIB, description="Largest journal record; some managed clusters cap it."
    )
    source_retention_hours: int = Field(
        168,
        ge=1,
        le=876_000,
        description="How long the source topics keep events; longer than any outage of the workers.",
    )
    compression: Literal["zstd", "lz4", "snappy", "gzip", "none", "producer"] = Field(
        "zstd", description="Of the source topics, by the broker and by `tally produce`; `producer` keeps what arrives."
    )


class ClickHouse(Section):
    """How to reach ClickHouse."""

    url: str | None = Field(
        None, pattern=r"^https?://([^\s/@]+@)?[^\s/@]+/?$", description="http(s)://host:port; unset: the local stack."
    )
    database: str = Field("tally", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Where the tables are.")
    username: str = Field("default", min_length=1, description="User.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: Path | None = Field(None, description="File with that password.")
    cluster: str | None = Field(None, pattern=_NAME, description="Cluster for ON CLUSTER and replicated tables.")


class SchemaRegistry(Section):
    """Where schema ids come from when they are not the committed ones."""

    url: str | None = Field(None, pattern=r"^https?://[^\s@]+$", description="Unset: the ids of schemas/ids.lock.")
    username: str | None = Field(None, description="User.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: Path | None = Field(None, description="File with that password.")


class Rules(Section):
    """The rules of acceptance and uniques (SEMANTICS 3 to 5)."""

    window_days: int = Field(7, ge=1, le=120, description="Events older than that are too late.")
    future_minutes_max: int = Field(
        5, ge=0, le=1440, description="How far ahead of its arrival an event may claim to be."
    )
    unique_days: int = Field(90, ge=1, le=3660, description="How long a unique open or click is remembered.")
    person_profiles_max: int = Field(50, ge=2, le=10_000, description="Profiles that one person may have.")


class Worker(Section):
    """The worker."""

    name: str = Field(
        default_factory=lambda: f"{socket.gethostname()}.{os.getpid()}",
        min_length=1,
        max_length=249,
        description="In the journal and in logs; default host.pid.",
    )
    group_id: str = Field("tally", pattern=_NAME, description="Consumer group of the workers.")
    batch_events_max: int = Field(20_000, ge=1, le=200_000, description="Events of one journal record.")
    linger_ms: int = Field(20, ge=0, le=10_000, description="How long a batch waits for more under light load.")
    snapshot_events: int = Field(5_000_000, ge=1_000, description="Events between two snapshots of a partition.")
    snapshot_minutes: int = Field(10, ge=1, le=1440, description="Minutes between two snapshots of a partition.")
    stop_seconds: int = Field(8, ge=1, le=300, description="What a clean stop may take.")
    state_dir: Path | None = Field(None, description="Where snapshots and facts are; default <home>/state.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Sink(Section):
    """The ClickHouse sink."""

    group_id: str = Field("tally-sink", pattern=_NAME, description="Consumer group of the sinks.")
    rows: int = Field(100_000, ge=1, le=1_000_000, description="Rows of one insert.")
    linger_ms: int = Field(1_000, ge=0, le=60_000, description="How long an insert waits for more rows.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Settings(Section):
    """The whole tree."""

    home: Path = Field(Path(".tally"), description="Folder of the local stack, of state and of the hash seed.")
    hash_seed: SecretStr | None = Field(
        None, description=f"{SEED_DIGITS} hex digits, the same for all workers; unset: <home>/{SEED_FILE}."
    )
    hash_seed_file: Path | None = Field(None, description="File with the hash seed.")
    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    clickhouse: ClickHouse = ClickHouse()
    schema_registry: SchemaRegistry = SchemaRegistry()
    rules: Rules = Rules()
    worker: Worker = Field(default_factory=Worker)
    sink: Sink = Sink()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where the value of a dotted name comes from: `option`, `environment`, `file` or `default`."""
        return self._origins.get(name, "default")

    def value(self, name: str) -> object:
        """The value of a dotted name."""
        found: Any = self
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def state_dir(self) -> Path:
        """Where a worker keeps its snapshots and facts."""
        return self.worker.state_dir or self.home / "state"

    def kafka_address(self) -> str:
        """Bootstrap servers: as set, else the local stack's.

        Raises:
            SettingsError: neither is there.
        """
        return self._address("kafka.bootstrap_servers", "kafka", "bootstrap_servers", "Kafka")

    def clickhouse_address(self) -> str:
        """ClickHouse's URL: as set, else the local stack's.

        Raises:
            SettingsError: neither is there.
        """
        return self._address("clickhouse.url", "clickhouse", "url", "ClickHouse")

    def seed(self) -> int:
        """The hash seed, 64 bits unsigned: as set, else of <home>/hash_seed.

        Raises:
            SettingsError: neither is there, or the file has no seed.
        """
        if self.hash_seed is not None:
            return int(self.hash_seed.get_secret_value(), 16)
        path = self.home / SEED_FILE
        mend = f"Set it to {SEED_DIGITS} hex digits, the same for all workers for ever, or run `tally up`"
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError([Fault(env_name("hash_seed"), f"no hash seed, and {path}: {error}", mend)]) from None
        if not is_seed(text):
            raise SettingsError([Fault(env_name("hash_seed"), f"{path} holds no {SEED_DIGITS} hex digits", mend)])
        return int(text, 16)

    def stack(self) -> dict[str, Any]:
        """What `tally up` wrote about the local stack; empty where there is none.

        Raises:
            SettingsError: the file is not what `tally up` writes.
        """
        path = self.home / STACK_FILE
        try:
            stack = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            mend = "Run `tally up`, which writes it anew"
            raise SettingsError([Fault(env_name("home"), f"{path} is unreadable: {error}", mend)]) from None
        return stack if isinstance(stack, dict) else {}

    def _address(self, name: str, part: str, key: str, what: str) -> str:
        if (given := self.value(name)) is not None:
            return str(given)
        found = (self.stack().get(part) or {}).get(key)
        if not found:
            problem = f"no {what}: it is not set and there is no local stack in {self.home}"
            raise SettingsError([Fault(env_name(name), problem, "Set it, or run `tally up`")])
        return str(found)


def is_seed(text: str) -> bool:
    """Whether a text is a hash seed: 16 hex digits."""
    return _SEED.fullmatch(text) is not None


def load(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings of this process. `overrides` are options by dotted name ({"topics.partitions": 8}); None: not given.

    Raises:
        SettingsError: with every fault, contradictions included.
    """
    from pipeline.settings_rules import contradictions, fault_of

    environ = process_environment() if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    gathered = gather(Settings, overrides or {}, environ, folder)
    values, faults, wrong = gathered.values, list(gathered.faults), dict[str, Any]()
    known = dict(fields(Settings))
    try:
        settings = Settings.model_validate(nest(values))
    except ValidationError as error:
        wrong = {".".join(str(part) for part in e["loc"][:2] if part in _parts(known)): e for e in error.errors()}
        faults += [fault_of(name, known.get(name), e, values.get(name)) for name, e in wrong.items()]
        right = {name: value for name, value in values.items() if name not in wrong}
        settings = Settings.model_validate(nest(right))
    named = {fault.name for fault in faults}
    faults += [fault for fault in contradictions(settings, wrong) if fault.name not in named]
    if faults:
        raise SettingsError(faults)
    home = (folder / settings.home.expanduser()).absolute()
    settings = settings.model_copy(update={"home": home})
    settings._origins = gathered.origins
    return settings


def _parts(known: Mapping[str, object]) -> set[str]:
    return {part for name in known for part in name.split(".")}
