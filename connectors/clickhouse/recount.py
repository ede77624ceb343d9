"""The recount: every number from scratch, from the raw rows of `events` and `rejects`.

It shares nothing with the pipeline's decisions: it takes the accepted events and the map of persons, and says which
opens and clicks are a person's first (SEMANTICS 4). Where it is not exact:
- A person whose opens or clicks of one message lie `unique_days` apart is counted a first time again, by a horizon that
  the raw rows do not know.
- Of two events of one person and message at the very same microsecond, under different campaigns, the smaller identity
  counts, which the raw rows do not have.
  `uniques` counts both in the column UNSURE, under each campaign of such a fact: there its uniques say nothing.
- Whom a profile stands for is taken from the view `persons`: merges and splits are not stored as rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.clickhouse import recount_allowance, views
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted
from connectors.clickhouse.views import ENGAGEMENT, OFFSETS, ROLLUP, Scope, Select
from pipeline.core.event_schema import EVENTS
from pipeline.core.window import DAY_US

DIFFERENCES_MAX = 100  # of each comparison: the first ones tell what is wrong
UNSURE = "unsure"
UNIQUES = ("unique_opened", "unique_clicked", "unique_link_clicked")
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


class _Comparison(NamedTuple):
    """What a view says, and what the sum of the selects over the raw rows gives; a missing row is zeros."""

    view: str
    said: Sequence[Select]
    found: Sequence[Select]
    unsure: str = "SELECT '', '', '' WHERE 0"  # the first three keys of rows whose UNIQUES are not compared

    @property
    def columns(self) -> list[str]:
        """The numbers that both sides have."""
        found = {name for select in self.found for name in select.numbers}
        return [name for select in self.said for name in select.numbers if name in found]


def compare(service: Service) -> list[Difference]:
    """Views beside the recount, over everything; empty where all numbers agree. Exact while no insert is open.

    Raises:
        Unavailable, Refused
    """
    database, all_ = quoted(service.target.database), Scope()
    comparisons = (
        _Comparison(
            "engagement_daily",
            [views.engagement(database, all_)],
            [counts(database, all_), uniques(database, all_)],
            _unsure(database),
        ),
        _Comparison(
            "allowance_cycles", [views.allowance(database, all_)], [recount_allowance.allowance(database, all_)]
        ),
        _Comparison("allowance_burn", [views.burn(database, all_)], [recount_allowance.burn(database, all_)]),
    )
    found = [difference for comparison in comparisons for difference in _differences(service, comparison)]
    return found + conserved(service)


def conserved(service: Service) -> list[Difference]:
    """The comparison of events' fates alone: accepted, duplicate or refused, and no origin there twice.

    Exact while no insert is open, whatever the age of events.

    Raises:
        Unavailable, Refused
    """
    database, all_ = quoted(service.target.database), Scope()
    fates = _Comparison(
        "conservation",
        [views.conservation(database, all_), views.rollup(database, all_)],
        [accepted(database, all_), rejected(database, all_), duplicates(database, all_)],
    )
    return _differences(service, fates) + _differences(service, _origins(database))


def counts(database: str, scope: Scope) -> Select:
    """Events by verb."""
    verb = "substring(type, length(channel) + 2)"
    verbs = {
        **{name: f"'{name}'" for name in ("sent", "delivered", "opened", "clicked", "unsubscribed", "complained")},
        "bounced": "'soft_bounced', 'hard_bounced'",
    }
    numbers = {name: f"countIf({verb} IN ({verbs[name]}))" for name in ENGAGEMENT if name in verbs}
    keys = ("account_id", "campaign_id", "channel", "toDate(occurred_at)")
    which = f"hits = 1 AND NOT is_test AND channel != '' AND {scope.of_accounts()} AND {scope.of_journal()}"
    return Select(
        keys, {**numbers, "events": "count()"}, f"FROM {database}.events WHERE {which} GROUP BY {', '.join(keys)}"
    )


def uniques(database: str, scope: Scope, exact_days: int | None = None) -> Select:
    """First opens, clicks and link clicks: of each person and message the earliest raw event, else the vendor's own.

    UNSURE counts those that lie at one microsecond under several campaigns; with `exact_days`, those too whose events
    lie further apart.
    """
    apart = "0" if exact_days is None else f"span > {exact_days * DAY_US}"
    counted = "campaign = tupleElement(first, 3)"
    numbers = {name: f"countIf(kind = '{name}' AND {counted})" for name in UNIQUES} | {UNSURE: "countIf(unsure)"}
    keys = ("account_id", "campaign", "channel", "toDate(tupleElement(first, 2))")
    rest = f"""FROM
(
    SELECT
        *,
        {apart} OR tupleElement(first, 3) != tupleElement(last, 3) AS unsure,
        arrayJoin(if(unsure, campaigns, [tupleElement(first, 3)])) AS campaign
    FROM ({_facts(database, scope)})
)
GROUP BY {", ".join(keys)}"""
    return Select(keys, numbers, rest)


def _facts(database: str, scope: Scope) -> str:
    """Each person's opens and clicks of a message: the earliest with the first and with the last of its campaigns."""
    return f"""
SELECT
    f.account_id AS account_id,
    f.channel AS channel,
    f.kind AS kind,
    toUnixTimestamp64Micro(max(f.occurred_at)) - toUnixTimestamp64Micro(min(f.occurred_at)) AS span,
    min(tuple(f.is_vendors, f.occurred_at, f.campaign_id)) AS first,
    max(tuple(NOT f.is_vendors, -toUnixTimestamp64Micro(f.occurred_at), f.campaign_id)) AS last,
    groupUniqArray(f.campaign_id) AS campaigns
FROM ({_candidates(database, scope)}) AS f
INNER JOIN (SELECT account_id, profile_id, person_id FROM {database}.persons WHERE {scope.of_accounts()}) AS p
    ON f.account_id = p.account_id AND f.profile_id = p.profile_id
GROUP BY f.account_id, f.channel, f.kind, f.about, f.link_of_kind, p.person_id"""


def _unsure(database: str) -> str:
    """Account, campaign and channel of the uniques that a recount without a horizon cannot know."""
    select = uniques(database, Scope())
    return f"SELECT k0, k1, k2 FROM ({views.sql(select)}) WHERE c{list(select.numbers).index(UNSURE)} > 0"


def profiles(database: str, scope: Scope) -> Select:
    """How many profiles events, merges and splits have named."""
    rest = f"""FROM
(
    SELECT account_id, profile_id FROM {database}.events
    WHERE hits = 1 AND NOT is_test AND profile_id != '' AND {scope.of_accounts()} AND {scope.of_journal()}
    UNION ALL
    SELECT account_id, profile_id FROM {database}.person_map WHERE {scope.of_accounts()} AND {scope.of_journal()}
)
GROUP BY account_id"""
    return Select(("account_id",), {"profiles": "uniqExact(profile_id)"}, rest)


def accepted(database: str, scope: Scope) -> Select:
    """Accepted events by source topic and partition, and the sum of their offsets: it tells which ones they are."""
    every = dict.fromkeys(("read", "accepted", ROLLUP), "count()")
    rest = f"FROM {database}.events WHERE hits = 1 AND {scope.of_journal()} GROUP BY origin_topic, origin_partition"
    return Select(("origin_topic", "origin_partition"), {**every, OFFSETS: _offsets("origin_offset")}, rest)


def rejected(database: str, scope: Scope) -> Select:
    """Dead letters by source topic and partition, and the sum of their offsets."""
    rest = f"FROM {database}.rejects WHERE {scope.of_journal()} GROUP BY topic, partition"
    numbers = {"read": "count()", "rejected": "count()", OFFSETS: _offsets("offset")}
    return Select(("topic", "partition"), numbers, rest)


def duplicates(database: str, scope: Scope) -> Select:
    """Duplicates by source topic and partition; they carry no journal offset."""
    rest = f"FROM {database}.duplicates WHERE {scope.of_partition()} GROUP BY topic, partition"
    return Select(("topic", "partition"), {"read": "sum(events)", "duplicates": "sum(events)"}, rest)


def _offsets(column: str) -> str:
    return f"reinterpretAsInt64(sum({column}))"


def _origins(database: str) -> _Comparison:
    """That no event of a source topic is there twice, neither accepted nor rejected nor both."""
    keys = ("topic", "partition")
    rows = f"""FROM (SELECT origin_topic AS topic, origin_partition AS partition, origin_offset AS offset
    FROM {database}.events WHERE hits = 1 UNION ALL SELECT topic, partition, offset FROM {database}.rejects)
GROUP BY topic, partition"""
    column = "number of rows"
    distinct = Select(keys, {column: "uniqExact(offset)"}, rows)
    return _Comparison("events and rejects", [Select(keys, {column: "count()"}, rows)], [distinct])


def _candidates(database: str, scope: Scope) -> str:
    """Every open or click of somebody, of some message; a click on a link is two candidates."""
    return f"""
SELECT
    account_id, channel, profile_id, campaign_id, occurred_at,
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
    AND verb IN ('opened', 'unique_opened', 'clicked', 'unique_clicked')
    AND {scope.of_accounts()} AND {scope.of_journal()}"""


def _differences(service: Service, comparison: _Comparison) -> list[Difference]:
    columns, width = comparison.columns, len(comparison.said[0].keys)
    sides = [(_SAID, select) for select in comparison.said] + [(_FOUND, select) for select in comparison.found]
    keys = [f"k{i}" for i in range(width)]
    compared = ["NOT unsure" if name in UNIQUES else "1" for name in columns]
    sums = [
        f"sumIf(c{i}, side = {_SAID} AND {known}) AS s{i}, sumIf(c{i}, side = {_FOUND} AND {known}) AS f{i}"
        for i, known in enumerate(compared)
    ]
    unsure = f"(k0, k1, k2) IN ({comparison.unsure}) AS unsure" if width > 2 else "0 AS unsure"
    sql = f"""SELECT {", ".join(keys)}, {", ".join(sums)}
FROM (SELECT *, {unsure} FROM ({" UNION ALL ".join(_side(side, select, columns) for side, select in sides)}))
GROUP BY {", ".join(keys)}
HAVING {" OR ".join(f"s{i} != f{i}" for i in range(len(columns)))}
ORDER BY {", ".join(keys)}
LIMIT {DIFFERENCES_MAX}"""
    differences = []
    for row in service.query(sql).rows:
        key, numbers = tuple(row[:width]), row[width:]
        both = zip(columns, numbers[::2], numbers[1::2], strict=True)
        differences += [Difference(comparison.view, key, column, s, f) for column, s, f in both if s != f]
    return differences


def _side(side: int, select: Select, columns: Sequence[str]) -> str:
    whole = select._replace(numbers={name: select.numbers.get(name, "0") for name in columns})
    return f"SELECT {views.columns(whole)}, {side} AS side {whole.rest}"


_TICKS = {
    "occurred_at": "toUnixTimestamp64Micro(occurred_at)",
    "arrived_at": "toUnixTimestamp64Milli(arrived_at)",
    "cycle_start": "toUnixTimestamp(cycle_start)",
    "is_test": "toUInt8(is_test)",
}
NOT_TRACED = ("properties", "attributes")  # maps: written in an order of their own on each side
TRACED = {
    "events": tuple(name for name in EVENTS.names if name not in NOT_TRACED),
    "rejects": ("account_id", "reason", "detail", "topic", "offset", "arrived_at", "size"),
}
SEPARATOR = "\x1f"  # between the texts of a row, in its digest


def by_record(database: str, scope: Scope) -> str:
    """Of every journal record: how many raw rows it has, and the sum of their digests, modulo 2^64."""
    rows = _texts(database, f"{scope.of_accounts()} AND {scope.of_journal()}")
    return f"SELECT at, count(), sum(xxh3(arrayStringConcat(texts, '{SEPARATOR}'))) FROM ({rows}) GROUP BY at"


def of_record(database: str, scope: Scope) -> str:
    """The raw rows of one journal record: table and the columns of TRACED, as text; parameter `at`."""
    which = f"{scope.of_accounts()} AND {scope.of_partition('journal_partition')} AND journal_offset = {{at:UInt64}}"
    return f"SELECT texts FROM ({_texts(database, which)})"


def _texts(database: str, which: str) -> str:
    parts = []
    for table, names in TRACED.items():
        texts = ", ".join([f"'{table}'", *(f"toString({_TICKS.get(name, name)})" for name in names)])
        parts.append(f"SELECT journal_offset AS at, [{texts}] AS texts FROM {database}.{table} WHERE {which}")
    return " UNION ALL ".join(parts)
