"""What each table and each view costs the engine, an insert and a row, and what its merges cost: the engine's own logs.

The engine runs in this process, with the logs that a server has and an embedded engine has not: query_log,
query_views_log, part_log. CPU of a view is that of its own thread; reading, sorting and writing the rows of the table
itself is what is left of the insert. It adds a little to what it measures, so the shares count, not the sums.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.clickhouse import migrations, rows, statements
from connectors.clickhouse.settings import Target, insert_settings
from tests.bench.results import Figure
from tests.bench.sink_traffic import Totals, ranges, records

LOGS = ("query_log", "query_views_log", "part_log")
DATABASE = "tally"
SETTLE_SECONDS_MAX = 120.0
OF_HTTP = "wait_end_of_query"  # a setting of the HTTP interface, unknown elsewhere
LARGEST = 10  # costs that are told
US = "µs/row"
CPU = "sum(ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds'])"
_COSTS = f"""
SELECT what, toFloat64(cost) AS us FROM
(
    SELECT concat('view ', view_name) AS what, toFloat64({CPU}) AS cost FROM system.query_views_log GROUP BY view_name
    UNION ALL
    SELECT concat('merges of ', database, '.', table), toFloat64({CPU}) FROM system.part_log
    WHERE database = '{DATABASE}' AND event_type = 'MergeParts' GROUP BY database, table
    UNION ALL
    SELECT concat('rows of ', into), toFloat64(sum(cpu)) - toFloat64(sum(views)) FROM
    (
        SELECT
            extract(query, 'INSERT INTO ([a-z_.]+)') AS into,
            ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds'] AS cpu,
            v.cpu AS views
        FROM system.query_log AS q
        LEFT JOIN (SELECT initial_query_id, {CPU} AS cpu FROM system.query_views_log GROUP BY initial_query_id) AS v
            ON v.initial_query_id = q.query_id
        WHERE q.type = 'QueryFinish' AND q.query_kind = 'Insert'
    )
    GROUP BY into
)
ORDER BY us DESC
"""


def measure(count: int, partitions: int, records_each: int, record_rows: int) -> list[Figure]:
    """The largest costs, in one round."""
    totals = Totals(record_rows)
    with tempfile.TemporaryDirectory(prefix="tally-sink-profile-") as folder:
        connection = _open(Path(folder))
        for one in migrations.committed():
            for statement in statements.split(one.text, statements.variables(_target())):
                connection.query(statement)
        for partition, decided in ranges(records(count, partitions, totals), records_each):
            for table, content in rows.translate(partition, decided).items():
                token = statements.token(partition, decided[0].offset, decided[-1].offset)
                _insert(connection, Path(folder) / "rows", table, content, token)
        costs = list(_costs(connection))
        connection.close()
    return [Figure("sink", f"profile: {what}", US, (us / totals.rows,)) for what, us in costs[:LARGEST]]


def _open(folder: Path) -> Any:
    import chdb  # takes a second: nobody else who imports this module should wait

    logs = "".join(f"<{log}><database>system</database><table>{log}</table></{log}>" for log in LOGS)
    config = folder / "config.xml"
    config.write_text(f"<clickhouse>{logs}</clickhouse>", encoding="utf-8")
    connection = chdb.connect(f"{folder / 'data'}?config-file={config}")
    connection.query(statements.create_database(_target()))
    return connection


def _insert(connection: Any, file: Path, table: str, content: rows.Content, token: str) -> None:
    """As the sink inserts, without HTTP."""
    file.write_bytes(content.stream)
    given = {**insert_settings(()), "insert_deduplication_token": token}
    settings = ", ".join(f"{name} = {value!r}" for name, value in given.items() if name != OF_HTTP)
    columns = ", ".join(content.columns)
    connection.query(
        f"INSERT INTO {DATABASE}.{table} ({columns}) FROM INFILE '{file}' COMPRESSION 'none'"
        f" SETTINGS {settings} FORMAT ArrowStream"
    )


def _costs(connection: Any) -> Iterator[tuple[str, float]]:
    """CPU microseconds in all, the largest first."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while int(connection.query("SELECT count() FROM system.merges", "TSV").bytes()):
        assert time.monotonic() < deadline, "the engine merges without an end"
        time.sleep(0.2)
    connection.query("SYSTEM FLUSH LOGS")
    for line in connection.query(_COSTS, "TSV").bytes().decode().splitlines():
        what, cost = line.split("\t")
        yield what, float(cost)


def _target() -> Target:
    return Target("127.0.0.1", 0, False, "default", "", DATABASE, None)
