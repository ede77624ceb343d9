"""The audit: what the views say beside a recount from the raw rows of `events` and `rejects`, and where they differ.

The recount shares nothing with the pipeline's decisions: it takes the accepted events and the map of persons, and says
from scratch which opens and clicks are a person's first (SEMANTICS 4). It is exact as long as the events span less than
`rules.unique_days`, beyond which an open counts as a first one again, and while no insert is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted

DIFFERENCES_MAX = 100  # of each comparison: the first ones tell what is wrong

_ENGAGEMENT = (
    *("sent", "delivered", "opened", "unique_opened", "clicked", "unique_clicked", "unique_link_clicked"),
    *("bounced", "unsubscribed", "complained", "events"),
)
_SAID, _FOUND = 0, 1  # side of a row in a comparison: the view's, the recount's


class Difference(NamedTuple):
    """One number of a view that the raw rows do not bear out."""

    view: str
    key: tuple[str, ...]
    column: str
    said: int
    found: int

    def __str__(self) -> str:
        return f"{self.view} ({', '.join(self.key)}): {self.column} is {self.said}, the raw rows give {self.found}"


class _Select(NamedTuple):
    """A select of keys and numbers, as expressions; `rest` begins with FROM."""

    keys: Sequence[str]
    numbers: Sequence[str]
    rest: str


class _Comparison(NamedTuple):
    """What a view says, and what the sum of the selects over the raw rows gives; a missing row is zeros."""

    view: str
    columns: Sequence[str]
    said: _Select
    found: Sequence[_Select]


def compare(service: Service) -> list[Difference]:
    """Every comparison; empty where all numbers agree.

    Raises:
        Unavailable, Refused
    """
    database = quoted(service.target.database)
    comparisons = (_engagement(database), _allowance(database), _conservation(database), _origins(database))
    return [difference for comparison in comparisons for difference in _differences(service, comparison)]


def _engagement(database: str) -> _Comparison:
    """`engagement_daily` beside the events: counts by verb, uniques from scratch."""
    keys = ("account_id", "campaign_id", "channel", "day")
    said = _Select(keys, _ENGAGEMENT, f"FROM {database}.engagement_daily")
    return _Comparison("engagement_daily", _ENGAGEMENT, said, [_counts(database), _uniques(database)])


def _allowance(database: str) -> _Comparison:
    """`allowance_cycles` beside the activities among the events."""
    columns = ("used_as_corrected", "used_as_closed")
    said = _Select(("account_id", "cycle_start"), columns, f"FROM {database}.allowance_cycles")
    found = _Select(
        ("e.account_id", "e.cycle_start"),
        ("sum(e.activity)", "sumIf(e.activity, e.arrived_at < c.cycle_end)"),
        f"""FROM {database}.events AS e
LEFT JOIN {database}.allowance_cycles AS c ON e.account_id = c.account_id AND e.cycle_start = c.cycle_start
WHERE e.activity > 0 AND e.hits = 1 AND NOT e.is_test
GROUP BY e.account_id, e.cycle_start""",
    )
    return _Comparison("allowance_cycles", columns, said, [found])


def _conservation(database: str) -> _Comparison:
    """`conservation` beside what the tables hold: accepted events, duplicates, dead letters, and their sum."""
    keys, audit = ("topic", "partition"), f"FROM {database}.conservation_audit"
    said = ("read", "journal_accepted", "journal_accepted", "journal_duplicates", "journal_rejected")
    found = (
        "events_accepted + counted_duplicates + dead_letters",
        *("events_accepted", "rollup_accepted", "counted_duplicates", "dead_letters"),
    )
    columns = ("read", "accepted", "accepted in engagement", "duplicates", "rejected")
    return _Comparison("conservation", columns, _Select(keys, said, audit), [_Select(keys, found, audit)])


def _origins(database: str) -> _Comparison:
    """That no event of a source topic is there twice, neither accepted nor rejected nor both."""
    keys = ("topic", "partition")
    rows = f"""FROM (SELECT origin_topic AS topic, origin_partition AS partition, origin_offset AS offset
    FROM {database}.events WHERE hits = 1 UNION ALL SELECT topic, partition, offset FROM {database}.rejects)
GROUP BY topic, partition"""
    distinct = [_Select(keys, ["uniqExact(offset)"], rows)]
    return _Comparison("events and rejects", ["number of rows"], _Select(keys, ["count()"], rows), distinct)


def _counts(database: str) -> _Select:
    """Events by verb; of the unique columns nothing."""
    verb = "substring(type, length(channel) + 2)"
    verbs = {
        **{name: f"'{name}'" for name in ("sent", "delivered", "opened", "clicked", "unsubscribed", "complained")},
        "bounced": "'soft_bounced', 'hard_bounced'",
    }
    numbers = [f"countIf({verb} IN ({verbs[name]}))" if name in verbs else "0" for name in _ENGAGEMENT[:-1]]
    keys = ("account_id", "campaign_id", "channel", "toDate(occurred_at)")
    rest = f"FROM {database}.events WHERE hits = 1 AND NOT is_test AND channel != '' GROUP BY {', '.join(keys)}"
    return _Select(keys, [*numbers, "count()"], rest)


def _uniques(database: str) -> _Select:
    """First opens, clicks and link clicks: of each person and message the earliest raw event, else the vendor's own."""
    kinds = ("unique_opened", "unique_clicked", "unique_link_clicked")
    numbers = [f"countIf(kind = '{name}')" if name in kinds else "0" for name in _ENGAGEMENT]
    keys = ("account_id", "tupleElement(first, 1)", "channel", "tupleElement(first, 2)")
    rest = f"""FROM
(
    SELECT
        f.account_id AS account_id,
        f.channel AS channel,
        f.kind AS kind,
        argMin(
            tuple(f.campaign_id, toDate(f.occurred_at)),
            tuple(f.is_vendors, f.occurred_at, f.origin_topic, f.origin_offset)
        ) AS first
    FROM ({_candidates(database)}) AS f
    INNER JOIN {database}.persons AS p ON f.account_id = p.account_id AND f.profile_id = p.profile_id
    GROUP BY f.account_id, f.channel, f.kind, f.about, f.link_of_kind, p.person_id
)
GROUP BY {", ".join(keys)}"""
    return _Select(keys, numbers, rest)


def _candidates(database: str) -> str:
    """Every open or click of somebody, of some message; a click on a link is two candidates."""
    return f"""
SELECT
    account_id, channel, profile_id, campaign_id, occurred_at, origin_topic, origin_offset,
    if(message_id != '', message_id, campaign_id) AS about,
    substring(type, length(channel) + 2) AS verb,
    verb LIKE 'unique\\\\_%' AS is_vendors,
    arrayJoin(multiIf(
        verb IN ('opened', 'unique_opened'), ['unique_opened'],
        link = '' OR (channel = 'viber' AND is_vendors), ['unique_clicked'],
        ['unique_clicked', 'unique_link_clicked']
    )) AS kind,
    if(kind = 'unique_link_clicked', link, '') AS link_of_kind
FROM {database}.events
WHERE hits = 1 AND NOT is_test AND channel != '' AND profile_id != '' AND about != ''
    AND verb IN ('opened', 'unique_opened', 'clicked', 'unique_clicked')"""


def _differences(service: Service, comparison: _Comparison) -> list[Difference]:
    view, columns, said, found = comparison
    sides = [(_SAID, said), *((_FOUND, select) for select in found)]
    keys = [f"k{i}" for i in range(len(said.keys))]
    sums = [f"sumIf(c{i}, side = {_SAID}) AS s{i}, sumIf(c{i}, side = {_FOUND}) AS f{i}" for i in range(len(columns))]
    sql = f"""SELECT {", ".join(keys)}, {", ".join(sums)}
FROM ({" UNION ALL ".join(_side(side, select) for side, select in sides)})
GROUP BY {", ".join(keys)}
HAVING {" OR ".join(f"s{i} != f{i}" for i in range(len(columns)))}
ORDER BY {", ".join(keys)}
LIMIT {DIFFERENCES_MAX}"""
    differences = []
    for row in service.query(sql).rows:
        key, numbers = tuple(row[: len(keys)]), row[len(keys) :]
        pairs = zip(columns, numbers[::2], numbers[1::2], strict=True)
        differences += [Difference(view, key, column, s, f) for column, s, f in pairs if s != f]
    return differences


def _side(side: int, select: _Select) -> str:
    keys = [f"toString({key}) AS k{i}" for i, key in enumerate(select.keys)]
    numbers = [f"toInt64({number}) AS c{i}" for i, number in enumerate(select.numbers)]
    return f"SELECT {', '.join(keys)}, {', '.join(numbers)}, {side} AS side {select.rest}"
