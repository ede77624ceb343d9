"""What the promised views say, as selects over a part of the data; and the words in which such a part is named. Pure.

A select is made for one scope. Its numbers are whole and signed, so that sums of several selects may be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

ENGAGEMENT = (
    *("sent", "delivered", "opened", "unique_opened", "clicked", "unique_clicked", "unique_link_clicked"),
    *("bounced", "unsubscribed", "complained", "events"),
)
ALLOWANCE = ("used_as_corrected", "used_as_closed", "allowance", "cycle_end")
NO_PLAN = -1  # where the number `allowance` is null
BURN = ("used",)
ALERTS = ("alerts", "used", "allowance", "occurred_at")
THRESHOLD_PARTS = 1_000_000  # a threshold in a key is a whole number of millionths
PERSONS = ("moved", "digest")
PERSON_BUCKETS = 256  # by which an account's persons are compared: a difference is looked for in one of them
DIGEST_FACTOR = 31  # digest of a profile = xxh3(profile) * 31 + xxh3(person), modulo 2^64
PROFILES = ("profiles",)
CONSERVATION = ("read", "accepted", "duplicates", "rejected")
ROLLUP = "accepted in engagement"
OFFSETS = "sum of offsets"


class Select(NamedTuple):
    """Keys and named numbers, as expressions; `rest` begins with FROM and groups by the keys where that is needed."""

    keys: Sequence[str]
    numbers: Mapping[str, str]
    rest: str


class Scope(NamedTuple):
    """A part of the data: all of it, or some accounts of one journal partition, raw rows before a journal offset."""

    accounts: Sequence[str] | None = None
    partition: int | None = None
    before: int | None = None

    def parameters(self) -> dict[str, object]:
        """What the conditions below refer to."""
        accounts = None if self.accounts is None else list(self.accounts)
        given = {"accounts": accounts, "partition": self.partition, "before": self.before}
        return {name: value for name, value in given.items() if value is not None}

    def of_accounts(self, table: str = "") -> str:
        """The condition on `account_id`."""
        return "1" if self.accounts is None else f"{table}account_id IN {{accounts:Array(String)}}"

    def of_partition(self, column: str = "partition") -> str:
        """The condition on a partition's number."""
        return "1" if self.partition is None else f"{column} = {{partition:UInt16}}"

    def of_journal(self) -> str:
        """The condition on the journal records that decided a row."""
        before = "" if self.before is None else " AND journal_offset < {before:UInt64}"
        return self.of_partition("journal_partition") + before


def sql(select: Select) -> str:
    """The select alone: keys as text, then its numbers."""
    return f"SELECT {columns(select)} {select.rest}"


def columns(select: Select) -> str:
    """Its keys as text, named k0, k1, ..., then its numbers, named c0, c1, ..."""
    keys = [f"toString({key}) AS k{i}" for i, key in enumerate(select.keys)]
    numbers = [f"toInt64({number}) AS c{i}" for i, number in enumerate(select.numbers.values())]
    return ", ".join((*keys, *numbers))


def engagement(database: str, scope: Scope) -> Select:
    """`engagement_daily`."""
    keys = ("account_id", "campaign_id", "channel", "day")
    return Select(keys, _same(ENGAGEMENT), f"FROM {database}.engagement_daily WHERE {scope.of_accounts()}")


def allowance(database: str, scope: Scope) -> Select:
    """`allowance_cycles`; the end of a cycle in Unix seconds."""
    plan, end = f"ifNull(toInt64(allowance), {NO_PLAN})", "toUnixTimestamp(cycle_end)"
    numbers = {**_same(ALLOWANCE), "allowance": plan, "cycle_end": end}
    return Select(
        ("account_id", "cycle_start"), numbers, f"FROM {database}.allowance_cycles WHERE {scope.of_accounts()}"
    )


def burn(database: str, scope: Scope) -> Select:
    """`allowance_burn`."""
    keys = ("account_id", "cycle_start", "campaign_id", "channel", "type")
    return Select(keys, _same(BURN), f"FROM {database}.allowance_burn WHERE {scope.of_accounts()}")


def alerts(database: str, scope: Scope) -> Select:
    """`allowance_alerts`, added up where several plans alerted at one threshold; instants in Unix microseconds."""
    keys = ("account_id", "cycle_start", "kind", f"toInt64(round(threshold * {THRESHOLD_PARTS}))")
    numbers = {
        "alerts": "count()",
        "used": "sum(a.used)",
        "allowance": "sum(a.allowance)",
        "occurred_at": "sum(toUnixTimestamp64Micro(a.occurred_at))",
    }
    rest = f"FROM {database}.allowance_alerts AS a WHERE {scope.of_accounts()} GROUP BY {', '.join(keys)}"
    return Select(keys, numbers, rest)


def persons(database: str, scope: Scope) -> Select:
    """`persons`: the profiles that stand for another, by account and bucket."""
    keys = ("account_id", f"xxh3(profile_id) % {PERSON_BUCKETS}")
    digest = f"reinterpretAsInt64(sum(xxh3(profile_id) * {DIGEST_FACTOR} + xxh3(person_id)))"
    moved = f"FROM {database}.persons WHERE {scope.of_accounts()} AND person_id != profile_id"
    return Select(keys, {"moved": "count()", "digest": digest}, f"{moved} GROUP BY {', '.join(keys)}")


def pairs(database: str, scope: Scope, limit: int) -> str:
    """Account, profile and person of the profiles that stand for another; parameters account, bucket."""
    return f"""SELECT profile_id, person_id FROM {database}.persons
WHERE account_id = {{account:String}} AND {scope.of_accounts()} AND person_id != profile_id
    AND xxh3(profile_id) % {PERSON_BUCKETS} = {{bucket:UInt16}}
ORDER BY profile_id LIMIT {limit}"""


def profiles(database: str, scope: Scope) -> Select:
    """`persons`: how many profiles it lists of an account."""
    rest = f"FROM {database}.persons WHERE {scope.of_accounts()} GROUP BY account_id"
    return Select(("account_id",), {"profiles": "count()"}, rest)


def conservation(database: str, scope: Scope) -> Select:
    """`conservation`."""
    rest = f"FROM {database}.conservation WHERE {scope.of_partition()}"
    return Select(("topic", "partition"), _same(CONSERVATION), rest)


def rollup(database: str, scope: Scope) -> Select:
    """The accepted events in `engagement`, tests included, by source topic and partition."""
    rest = f"FROM {database}.engagement WHERE topic != '' AND {scope.of_partition()} GROUP BY topic, partition"
    return Select(("topic", "partition"), {ROLLUP: "sum(accepted)"}, rest)


def accounts(database: str) -> str:
    """Every account, each partition that has rows of it, and about how many rows its views have there."""
    sources = (
        ("partition", "engagement", "count()"),
        ("origin_partition", "events", "0"),
        ("journal_partition", "allowance", "0"),
        ("journal_partition", "alerts", "0"),
        ("journal_partition", "person_map", "0"),
    )
    parts = [
        f"SELECT toString(account_id) AS a, {partition} AS p, {size} AS n FROM {database}.{table} GROUP BY a, p"
        for partition, table, size in sources
    ]
    return f"SELECT a, p, sum(n) FROM ({' UNION ALL '.join(parts)}) GROUP BY a, p ORDER BY a, p"


def moved_since(database: str, scope: Scope) -> str:
    """How many rows of `person_map` are of journal records from `before` on: later than the recount may know."""
    since = f"{scope.of_partition('journal_partition')} AND journal_offset >= {{before:UInt64}}"
    return f"SELECT count() FROM {database}.person_map WHERE {scope.of_accounts()} AND {since}"


def _same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}
