"""The SQL that the connector sends, as pure text. Migrations and views lie in schemas/clickhouse."""

from __future__ import annotations

import re

from connectors.clickhouse.settings import WINDOW_BLOCKS, WINDOW_SECONDS, Target

_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_END = re.compile(r";\s*$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SHARED = re.compile(r"^-- \$\{(\w+)\} is .*\n((?:.*\n)*?)-- end$", re.MULTILINE)


def token(partition: int, first: int, last: int) -> str:
    """The name of a range of journal offsets, both ends included: what ClickHouse knows a repeated insert by."""
    return f"journal-{partition}-{first}-{last}"


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def variables(target: Target) -> dict[str, str]:
    """What the migrations' variables stand for."""
    cluster = target.cluster
    window = f"non_replicated_deduplication_window = {WINDOW_BLOCKS}"
    replicated = (
        f"replicated_deduplication_window = {WINDOW_BLOCKS}, replicated_deduplication_window_seconds = {WINDOW_SECONDS}"
    )
    return {
        "DB": quoted(target.database),
        "ON_CLUSTER": f"ON CLUSTER {quoted(cluster)}" if cluster else "",
        "REPLICATED": "Replicated" if cluster else "",
        "WINDOW": replicated if cluster else window,
    }


def split(text: str, values: dict[str, str]) -> list[str]:
    """A migration's statements, its variables filled in. A statement ends with a semicolon at the end of a line.

    The text between a line `-- ${NAME} is ...` and a line `-- end` belongs to no statement: it is what the variable
    stands for in this migration.

    Raises:
        KeyError: a variable that there is none of.
    """
    shared = {name: body.rstrip("\n") for name, body in _SHARED.findall(text)}
    own = _SHARED.sub("", text)
    whole = _VARIABLE.sub(lambda found: shared.get(found[1], found[0]), own)
    bare = _COMMENT.sub("", whole)
    filled = _VARIABLE.sub(lambda found: values[found[1]], bare)
    return [part.strip() for part in _END.split(filled) if part.strip()]


def create_database(target: Target) -> str:
    """The database that all the rest goes into."""
    on_cluster = variables(target)["ON_CLUSTER"]
    return f"CREATE DATABASE IF NOT EXISTS {quoted(target.database)} {on_cluster}".strip()


def create_migrations(target: Target) -> str:
    """The table that says which migrations were applied."""
    v = variables(target)
    return f"""CREATE TABLE IF NOT EXISTS {v["DB"]}.migrations {v["ON_CLUSTER"]}
(
    number     UInt32          COMMENT 'Of the file, in order.',
    name       String          COMMENT 'Name of the file.',
    sha256     String          COMMENT 'Of its text; an applied file never changes.',
    applied_at DateTime('UTC') DEFAULT now() COMMENT 'When it was applied.'
)
ENGINE = {v["REPLICATED"]}MergeTree ORDER BY number
COMMENT 'Migrations applied by tally migrate.'"""


def record_migration(target: Target) -> str:
    """Notes that a migration is applied; parameters number, name, sha256."""
    return (
        f"INSERT INTO {quoted(target.database)}.migrations (number, name, sha256)"
        " SELECT {number:UInt32}, {name:String}, {sha256:String}"
    )


def applied_migrations(target: Target) -> str:
    """The migrations applied: number, name, sha256, first time applied."""
    return (
        "SELECT number, argMin(name, applied_at), argMin(sha256, applied_at), min(applied_at)"
        f" FROM {quoted(target.database)}.migrations GROUP BY number ORDER BY number"
    )


def has_migrations() -> str:
    """Whether the table of migrations is there; parameter database."""
    return "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'migrations'"


def cut_off(target: Target) -> str:
    """Source partitions of which events are there that the journal's sums, inserted last, do not have yet.

    On a cluster one replica of each shard is asked.
    """
    engagement, intake = (f"{quoted(target.database)}.{name}" for name in ("engagement", "intake"))
    if target.cluster:
        engagement, intake = (f"cluster({quoted(target.cluster)}, {name})" for name in (engagement, intake))
    return (
        "SELECT topic, partition FROM"
        f" (SELECT topic, partition, toInt64(accepted) AS events FROM {engagement} WHERE topic != ''"
        f" UNION ALL SELECT topic, partition, -toInt64(accepted) FROM {intake})"
        " GROUP BY topic, partition HAVING sum(events) != 0 ORDER BY topic, partition"
    )


def taken_in(target: Target) -> str:
    """One past the last record of a journal partition that is there, be it in part; 0: none is. Parameter partition.

    On a cluster the replica that knows most is believed: one that lags would hide that offsets were set back. One that
    is away is left out.
    """
    name, settings = f"{quoted(target.database)}.ranges", ""
    if target.cluster:
        name = f"clusterAllReplicas({quoted(target.cluster)}, {name})"
        settings = " SETTINGS skip_unavailable_shards = 1"
    return f"SELECT max(end) FROM {name} WHERE partition = {{partition:UInt16}}{settings}"
