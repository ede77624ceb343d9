"""The parts of the settings tree, with bounds and meaning of each setting; `settings` puts them together."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

MIB = 1024 * 1024
# A record of one event or reject fits, whatever it says: a body has 1 MiB at most, and takes 1.3 MiB as an Arrow row
# where it is all small properties that do not compress; a reject keeps 64 KiB. Of an operation that names
# 10,000 profiles, every one is told twice with its account, its person and itself: up to 14 MB.
JOURNAL_MESSAGE_BYTES_MIN = 2 * MIB
_NAME = r"^[A-Za-z0-9._-]+$"


class Section(BaseModel):
    """A part of the tree: frozen, no keys but its own, no secret in a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Kafka(Section):
    """How to reach Kafka; both clients get their security from here."""

    bootstrap_servers: str | None = Field(
        None,
        pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$",
        examples=["kafka-1:9092,kafka-2:9092"],
        description="Brokers; unset: the local stack.",
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

    prefix: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]*$",
        examples=["shop."],
        description="In front of every topic's name.",
    )
    partitions: int = Field(
        4, ge=1, le=1024, description="Of every topic; fixed once created. Best divisible by the workers."
    )
    replication_factor: int = Field(1, ge=1, le=15, description="Copies of every partition; 3 outside a laptop.")
    min_insync_replicas: int = Field(1, ge=1, le=15, description="Copies that must have a record; 2 outside a laptop.")
    journal_message_bytes: int = Field(
        16 * MIB,
        ge=JOURNAL_MESSAGE_BYTES_MIN,
        le=256 * MIB,
        description="Largest journal record; some managed clusters cap it. With less than the default, an operation "
        "that names thousands of profiles may be rejected as `oversized`.",
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
        None,
        pattern=r"^https?://([^\s/@]+@)?[^\s/@]+/?$",
        examples=["http(s)://host:port"],
        description="http(s)://host:port; unset: the local stack.",
    )
    database: str = Field(
        "tally", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", examples=["tally"], description="Where the tables are."
    )
    username: str = Field("default", min_length=1, description="User.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: Path | None = Field(None, description="File with that password.")
    cluster: str | None = Field(
        None, pattern=_NAME, examples=["main"], description="Cluster for ON CLUSTER and replicated tables."
    )


class SchemaRegistry(Section):
    """Where schema ids come from when they are not the committed ones."""

    url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        examples=["https://registry:8081"],
        description="Unset: the ids of schemas/ids.lock.",
    )
    username: str | None = Field(None, description="User.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: Path | None = Field(None, description="File with that password.")


class Rules(Section):
    """The rules of acceptance and uniques (SEMANTICS 3 to 5)."""

    window_days: int = Field(
        7, ge=1, le=120, description="Events older than that are too late. Made larger, it grows by a day each day."
    )
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
    group_id: str = Field("tally", pattern=_NAME, examples=["tally"], description="Consumer group of the workers.")
    batch_events_max: int = Field(20_000, ge=1, le=200_000, description="Events of one journal record.")
    linger_ms: int = Field(
        20,
        ge=0,
        le=10_000,
        description="Least time between two batches of a partition under light load: up to 700 ms where many "
        "partitions share a worker, so that batches of few events do not take a core. After a silence nothing waits.",
    )
    snapshot_events: int = Field(5_000_000, ge=1_000, description="Events between two snapshots of a partition.")
    snapshot_minutes: int = Field(10, ge=1, le=1440, description="Minutes between two snapshots of a partition.")
    stop_seconds: int = Field(8, ge=1, le=300, description="What a clean stop may take.")
    state_dir: Path | None = Field(None, description="Where snapshots and facts are; default <home>/state.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Sink(Section):
    """The ClickHouse sink."""

    group_id: str = Field(
        "tally-sink", pattern=_NAME, examples=["tally-sink"], description="Consumer group of the sinks."
    )
    name: str | None = Field(
        None,
        pattern=_NAME,
        examples=["sink-1"],
        description="Of this sink alone; killed and started again under it, it goes on at once instead of in 10 s.",
    )
    rows: int = Field(100_000, ge=1, le=1_000_000, description="Rows of one insert.")
    linger_ms: int = Field(1_000, ge=0, le=60_000, description="How long an insert waits for more rows.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Notify(Section):
    """`tally notify`: the alerts' topic, and the webhook."""

    group_id: str = Field(
        "tally-notify",
        pattern=_NAME,
        examples=["tally-notify"],
        description="Consumer group; that of the webhook is the same with `-webhook`.",
    )
    url: SecretStr | None = Field(
        None,
        examples=["https://example.com/tally"],
        description="Where alerts are sent by POST; unset: nowhere. Shown without path and query.",
    )
    url_file: Path | None = Field(None, description="File with that address.")
    secret: SecretStr | None = Field(
        None,
        description="Signs what is sent: whsec_ and base64. To change it: the new one, a blank, the old one.",
    )
    secret_file: Path | None = Field(None, description="File with that secret.")
    timeout_seconds: int = Field(10, ge=1, le=60, description="What an answer may take.")
    attempts_max: int = Field(20, ge=1, le=1_000, description="Tries of an alert; after the last one it is parked.")
    backoff_ms: int = Field(5_000, ge=10, le=3_600_000, description="Before the second try; doubled with each.")
    backoff_max_minutes: int = Field(240, ge=1, le=10_080, description="Between two tries at most.")
    fresh_hours: int = Field(
        168, ge=1, le=876_000, description="An alert that was decided longer ago is parked before its first try."
    )
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Collect(Section):
    """`tally collect`: the HTTP collector."""

    host: str = Field("127.0.0.1", min_length=1, description="Where deliveries are taken.")
    port: int = Field(8780, ge=0, le=65_535, description="0: any free port.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$",
        examples=["https://hooks.example.com"],
        description="How vendors reach the collector, for `tally endpoints show`; unset: http(s)://host:port.",
    )
    endpoints_file: Path | None = Field(None, description="File with the endpoints; default <home>/endpoints.json.")
    signing_key: SecretStr | None = Field(
        None,
        description="From which the keys of signed deliveries are derived: 32 random bytes in hex, the same for all "
        "collectors, for ever.",
    )
    signing_key_file: Path | None = Field(None, description="File with that key.")
    body_bytes_max: int = Field(8 * MIB, ge=4_096, le=256 * MIB, description="Largest body, unpacked; above it: 413.")
    in_flight_bytes_max: int = Field(
        64 * MIB,
        ge=4_096,
        le=16_384 * MIB,
        description="Bodies and messages that Kafka has not acknowledged; above it senders are told to try again.",
    )
    in_flight_events_max: int = Field(
        100_000, ge=1, le=10_000_000, description="Events among them; above it senders are told to try again."
    )
    requests_max: int = Field(500, ge=1, le=100_000, description="Deliveries at work at once; the same above it.")
    delivery_seconds: int = Field(
        8, ge=1, le=120, description="Within it Kafka acknowledges, or the sender is told to try again."
    )
    trusted_proxies: str = Field(
        "",
        pattern=r"^[0-9A-Fa-f.:/]*(,\s*[0-9A-Fa-f.:/]+)*$",
        examples=["127.0.0.1,10.0.0.0/8"],
        description="Networks whose X-Forwarded-For is believed; none: the connection's own address counts.",
    )
    signature_seconds: int = Field(
        300, ge=1, le=86_400, description="How far the time of a signed delivery may be from ours, either way."
    )
    brevo_networks: str = Field(
        "1.179.112.0/20,172.246.240.0/20",
        pattern=r"^[0-9A-Fa-f.:/]+(,\s*[0-9A-Fa-f.:/]+)*$",
        examples=["1.179.112.0/20,172.246.240.0/20"],
        description="What `--allow brevo` stands for; look on Brevo's help page whether it still holds.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file with certificate and chain: HTTPS instead of HTTP."
    )
    tls_key: Path | None = Field(None, description="PEM file of its key.")
    tls_key_password: SecretStr | None = Field(None, description="Password of that key.")
    tls_key_password_file: Path | None = Field(None, description="File with the key's password.")
    stop_seconds: int = Field(10, ge=1, le=300, description="What a clean stop may take.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")


class Allowance(Section):
    """Which accounts the worker's gauges show to Prometheus."""

    gauges_floor: float = Field(
        0.8, gt=0, le=10, description="Accounts are shown from this ratio on, and if forecast to run out."
    )
    gauges_accounts_max: int = Field(
        500, ge=0, le=2_000, description="Of one worker, the highest ratios first: six series each."
    )


class Audit(Section):
    """`tally audit --every`."""

    metrics_host: str = Field("127.0.0.1", min_length=1, description="Where the metrics are served.")
    metrics_port: int = Field(0, ge=0, le=65_535, description="0: any free port.")
