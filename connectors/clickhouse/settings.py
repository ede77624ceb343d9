"""What the connector is told: where ClickHouse is, what an insert asks of it, and its bounds."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pipeline.settings import Settings

MIB = 1024 * 1024

CONNECT_SECONDS_MAX = 5  # so that an absent ClickHouse is said within 10 seconds
INSERT_SECONDS_MAX = 120  # one request; well below Kafka's max.poll.interval of 300 seconds
QUERY_SECONDS_MAX = 300  # of `tally query`
WINDOW_BLOCKS = 10_000  # inserts that a table remembers: 20 minutes of an insert per second into 8 parts
WINDOW_SECONDS = 7 * 86_400  # the same of replicated tables, whose default fell to an hour
RANGE_BYTES_MAX = 32 * MIB  # records of one insert, as they wait, whatever their rows; at least two of the largest
RANGE_ROWS_BYTES_MAX = 128 * MIB  # the same as rows, decompressed; 100,000 usual rows have 25 to 50
PENDING_BYTES_MAX = 256 * MIB  # records waiting in a sink over all partitions: beyond, the largest goes at once
RECOVERING_MAX = PENDING_BYTES_MAX // RANGE_BYTES_MAX  # partitions whose fixed range is read back at the same time
FENCE_SECONDS = 5  # an intent committed longer ago is committed again before the next insert: a sink may have slept
REMIND_SECONDS = 60  # between two lines about a partition that is refused

# Exactly-once inserts need all of them together; the tables' deduplication window is the other half.
_INSERT_SETTINGS: dict[str, object] = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "async_insert": 0,
    "max_insert_threads": 1,
    "insert_deduplicate": 1,
    "optimize_on_insert": 0,  # the rollups' rows come grouped: summing them once more costs 1.5 µs a row
    "wait_end_of_query": 1,  # the answer tells the rows written only when it waits for the end
}
# Since ClickHouse 26 it goes before insert_deduplicate, so that a user's profile could switch deduplication off.
_NEWER_SETTINGS: dict[str, object] = {"deduplicate_insert": "enable"}


def insert_settings(known: Container[str]) -> dict[str, object]:
    """What every insert asks for; of the newer settings those that the server knows."""
    return _INSERT_SETTINGS | {name: value for name, value in _NEWER_SETTINGS.items() if name in known}


@dataclass(frozen=True, slots=True)
class Target:
    """One ClickHouse and the database in it."""

    host: str
    port: int
    secure: bool
    username: str
    password: str = field(repr=False)
    database: str
    cluster: str | None

    @property
    def address(self) -> str:
        """The URL without secrets, for messages."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"


def target(settings: Settings) -> Target:
    """Where the tables are. A user in the URL goes before the one of the other setting.

    Raises:
        SettingsError: no address.
    """
    url = urlsplit(settings.clickhouse_address())
    secure = url.scheme == "https"
    password = settings.clickhouse.password
    return Target(
        host=url.hostname or "127.0.0.1",
        port=url.port or (8443 if secure else 8123),
        secure=secure,
        username=unquote(url.username) if url.username else settings.clickhouse.username,
        password=password.get_secret_value() if password else "",
        database=settings.clickhouse.database,
        cluster=settings.clickhouse.cluster,
    )
