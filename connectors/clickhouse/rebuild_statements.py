"""The SQL of a rebuild, and the names that it gives to databases and to its consumer group. Pure.

A rebuild is known by the moment at which it began: `tally_fresh_20260131_120000` is filled beside `tally`. Whoever
exchanges tables first calls it `tally_exchange_20260131_120000_` and a random number: only the last one to do so can
exchange them. In the end it is `tally_former_20260131_120000` and holds the tables that were live before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.clickhouse import statements
from connectors.clickhouse.settings import Target
from connectors.clickhouse.statements import quoted, variables

NOTES = "rebuild"  # the table in which a rebuild keeps what it must remember
_STAMP = "%Y%m%d_%H%M%S"
STAMP_LENGTH = 15
NONCE_BITS = 32
STAMP = r"(\d{8}_\d{6})"
_BEGUN = rf"_(?:fresh|exchange)_{STAMP}(?:_[0-9a-f]{{8}})?"
_VIEW = re.compile(
    r"CREATE (?:OR REPLACE )?(?P<materialized>MATERIALIZED )?VIEW (?:IF NOT EXISTS )?`\w+`\.(?P<name>\w+)"
)


class Names(NamedTuple):
    """What a rebuild calls its database, before and after the exchange, and its own consumer group."""

    fresh: str
    former: str
    group: str


def names(database: str, group: str, stamp: str) -> Names:
    """The names of one rebuild. The group's begins with the sinks': the same rights cover it."""
    return Names(f"{database}_fresh_{stamp}", f"{database}_former_{stamp}", f"{group}-rebuild-{stamp}")


def stamp(now: datetime) -> str:
    """What tells rebuilds apart."""
    return now.strftime(_STAMP)


def begun(database: str, found: Iterable[str]) -> list[tuple[str, str]]:
    """The rebuilds of a database that are not finished, of the names of all databases: name and stamp."""
    pattern = re.compile(re.escape(database) + _BEGUN)
    return sorted((name, match[1]) for name in found if (match := pattern.fullmatch(name)))


def claimed(database: str, fresh: str, nonce: int) -> str:
    """What fresh tables' database is called by the one who exchanges them."""
    return f"{database}_exchange_{fresh[-STAMP_LENGTH:]}_{nonce:08x}"


def databases() -> str:
    """Names and engines of all databases."""
    return "SELECT name, engine FROM system.databases"


def create_notes(fresh: Target) -> str:
    """The table of notes."""
    v = variables(fresh)
    return f"""CREATE TABLE IF NOT EXISTS {v["DB"]}.{NOTES} {v["ON_CLUSTER"]}
(
    step   String           COMMENT 'What was done.',
    detail String           COMMENT 'As JSON.',
    at     DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When.'
)
ENGINE = {v["REPLICATED"]}MergeTree ORDER BY at
COMMENT 'What tally rebuild clickhouse must remember when it is run again.'"""


def write_note(fresh: Target) -> str:
    """Parameters step, detail."""
    return (
        f"INSERT INTO {quoted(fresh.database)}.{NOTES} (step, detail) SELECT {{step:String}}, {{detail:String}}"
        " SETTINGS async_insert = 0"
    )


def notes(fresh: Target) -> str:
    """The notes of a step, in their order; parameter step."""
    return f"SELECT detail FROM {quoted(fresh.database)}.{NOTES} WHERE step = {{step:String}} ORDER BY at"


def has_notes() -> str:
    """Whether the table of notes is there; parameter database."""
    return f"SELECT count() FROM system.tables WHERE database = {{database:String}} AND name = '{NOTES}'"


def storage(target: Target) -> str:
    """Name, UUIDs (one, where all hosts agree) and bytes of every table that stores rows; parameter database."""
    return (
        f"SELECT name, groupUniqArray(toString(uuid)), sum(ifNull(total_bytes, 0)) FROM {_everywhere(target)}"
        f" WHERE database = {{database:String}} AND engine LIKE '%MergeTree' AND name != '{NOTES}'"
        " GROUP BY name ORDER BY name"
    )


def views(target: Target) -> str:
    """The views of a database, materialized ones first; parameter database."""
    return (
        f"SELECT name FROM {_everywhere(target)} WHERE database = {{database:String}} AND engine LIKE '%View'"
        " GROUP BY name ORDER BY min(engine), name"
    )


def free_bytes() -> str:
    """What is free on the engine's disks."""
    return "SELECT sum(free_space) FROM system.disks"


def make_tables(live: Target, migrations: Iterable[str]) -> list[str]:
    """The database and the tables that it may lack, empty, so that there is something to exchange."""
    own = [statements.create_database(live), statements.create_migrations(live)]
    return own + [made for made in _all(live, migrations) if made.startswith("CREATE TABLE ")]


def exchange(live: Target, fresh: Target, tables: Sequence[str]) -> str:
    """Every table with its namesake, in one statement: each at once, one right behind the other."""
    v = variables(live)
    pairs = [f"{v['DB']}.{quoted(table)} AND {quoted(fresh.database)}.{quoted(table)}" for table in tables]
    return f"EXCHANGE TABLES {', '.join(pairs)} {v['ON_CLUSTER']}".strip()


def exchanged(uuids: Mapping[str, str], live: Mapping[str, str]) -> bool:
    """Whether every fresh table is under its live name; `uuids` are those that the fresh ones had."""
    return all(live.get(table) == uuid for table, uuid in uuids.items())


def make_views(live: Target, migrations: Iterable[str]) -> list[str]:
    """The views of the migrations anew: materialized ones are dropped first, others replaced."""
    made = []
    for statement in _all(live, migrations):
        if created := _VIEW.match(statement):
            made += [drop_view(live, created["name"])] if created["materialized"] else []
            made.append(statement)
    return made


def drop_view(target: Target, name: str) -> str:
    """One view less."""
    v = variables(target)
    return f"DROP VIEW IF EXISTS {v['DB']}.{quoted(name)} {v['ON_CLUSTER']}".strip() + " SYNC"


def rename(target: Target, name: str) -> str:
    """Another name for a database; one without views, which would speak of the old name."""
    v = variables(target)
    return f"RENAME DATABASE {v['DB']} TO {quoted(name)} {v['ON_CLUSTER']}".strip()


def create(target: Target, database: str) -> str:
    """A database that must not be there; `target` is of the same cluster."""
    return f"CREATE DATABASE {quoted(database)} {variables(target)['ON_CLUSTER']}".strip()


def drop(target: Target, database: str) -> str:
    """A database with its tables; `target` is of the same cluster."""
    return f"DROP DATABASE IF EXISTS {quoted(database)} {variables(target)['ON_CLUSTER']}".strip()


def _everywhere(target: Target) -> str:
    """The tables of all hosts."""
    return f"clusterAllReplicas({quoted(target.cluster)}, system.tables)" if target.cluster else "system.tables"


def _all(target: Target, migrations: Iterable[str]) -> list[str]:
    values = variables(target)
    return [statement for text in migrations for statement in statements.split(text, values)]
