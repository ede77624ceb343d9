"""An audit in words and as JSON.

A profile's id may be a contact's address: one that looks like an address is told as its hash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import xxhash

from connectors.clickhouse.recount import NOT_TRACED
from connectors.clickhouse.views import NO_PLAN, THRESHOLD_PARTS
from pipeline.audit.comparison import COORDINATES, Difference, Kind
from pipeline.audit.meaning import meaning, persons_apart
from pipeline.audit.result import Audit
from pipeline.audit.trace import Row

DIFFERENCES_MAX = 1_000  # in JSON
DIFFERENCES_SHOWN = 20
_ADDRESS = re.compile(r"@|^\+?[\d\s().-]{7,}$")  # an e-mail address, a telephone number

COMPARED: Mapping[Kind, str] = {
    Kind.ENGAGEMENT: "engagement_daily by account, campaign, channel and day",
    Kind.ALLOWANCE: "allowance_cycles by account and cycle",
    Kind.BURN: "allowance_burn by account, cycle, campaign, channel and type",
    Kind.ALERTS: "allowance_alerts by account, cycle and threshold",
    Kind.PERSONS: "persons: the profiles that stand for another",
    Kind.PROFILES: "persons: how many profiles an account has",
    Kind.CONSERVATION: "conservation by topic and partition",
    Kind.PARTITIONS: "every account in one partition",
}
_WHAT = {
    "missing": "missing in ClickHouse",
    "foreign": "in ClickHouse alone  ",
    "changed": "changed in ClickHouse",
}


def as_json(audit: Audit) -> dict[str, Any]:
    """All of it, for `--format json`."""
    apart = persons_apart(audit.differences)
    return {
        "drift": sum(audit.drift.values()),
        "accounts": len(audit.accounts),
        "days": len(audit.days),
        "numbers": {kind.value: audit.numbers[kind] for kind in audit.drift},
        "differing": {kind.value: count for kind, count in audit.drift.items()},
        "partitions": [part._asdict() for part in sorted(audit.parts)],
        "looked_again": audit.looked_again,
        "campaigns_not_recounted": audit.not_recounted,
        "seconds": round(audit.seconds, 3),
        "rows": [row._asdict() for row in audit.rows],
        "rows_left_off": audit.rows_left_off,
        "records_left_off": audit.records_left_off,
        "differences_left_off": max(0, len(audit.differences) - DIFFERENCES_MAX),
        "differences": [_difference(difference, apart) for difference in audit.differences[:DIFFERENCES_MAX]],
    }


def summary(audit: Audit) -> list[dict[str, Any]]:
    """One row for each kind of comparison."""
    return [
        {
            "": "✓" if not count else "✗",
            "comparison": kind.value,
            "numbers": audit.numbers[kind],
            "differ": count,
            "what": COMPARED[kind],
        }
        for kind, count in audit.drift.items()
    ]


def partitions(audit: Audit) -> list[dict[str, Any]]:
    """One row for each partition."""
    return [
        {
            "partition": part.partition,
            "up to journal offset": part.offset,
            "behind": part.behind,
            "accounts": part.accounts,
            "events": part.events,
        }
        for part in sorted(audit.parts)
    ]


def told(difference: Difference, apart: Collection[str] = ()) -> list[str]:
    """A difference in lines: where, the values, what it means. `apart`: see `persons_apart`."""
    values = "   ".join(
        f"{name} {_value(difference, value)}" for name, value in difference.values.items() if value is not None
    )
    lines = [
        f"✗ {difference.kind.value}: {difference.counter} of " + ", ".join(_coordinates(difference)),
        f"    {values}",
        f"    journal partition {difference.partition}, as of offset {difference.offset}",
    ]
    return [*lines, f"    {meaning(difference, apart)}"]


def rows(audit: Audit) -> list[str]:
    """The raw rows that are not what the journal says, in lines."""
    if not audit.differences:
        return []
    if not audit.rows:
        untold = " and ".join(NOT_TRACED)
        return [f"The raw rows are what the journal says, column by column; {untold} were not compared."]
    lines = ["Raw rows that are not what the journal says:", *map(_row, audit.rows)]
    more = [(audit.rows_left_off, "row"), (audit.records_left_off, "journal record")]
    if left := [f"{count:,} more {name}{'s' * (count != 1)}" for count, name in more if count]:
        lines.append(f"    and {' and '.join(left)}")
    return lines


def verdict(audit: Audit) -> str:
    """One line."""
    numbers = sum(audit.numbers.values())
    scope = [(len(audit.accounts), "account"), (len(audit.days), "day"), (numbers, "number")]
    where = ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for count, name in scope) + f", {audit.seconds:.1f} s"
    differ = len(audit.differences)
    return f"✗ {differ:,} of them differ ({where})" if differ else f"✓ journal, views and recount agree ({where})"


def not_recounted(audit: Audit) -> str:
    """One line on the campaigns of which the recount says no uniques."""
    several = audit.not_recounted != 1
    of = f"{audit.not_recounted:,} campaign{'s' * several}"
    why = "opens or clicks of one person and message are too far apart, or tied under two campaigns"
    return f"uniques of {of} were not recounted (journal, state and view were compared): {why}"


def _row(row: Row) -> str:
    what = _WHAT[row.what] + (f" ({', '.join(row.columns)})" if row.columns else "")
    about = f"{row.type} of account {row.account or '(none)'}, campaign {row.campaign or '(none)'}, {row.day}"
    source = f"{row.topic}, partition {row.partition}, offset {row.offset}" if row.topic else "a correction"
    return f"    {what}  {about} ({source}); journal offset {row.journal_offset}"


def _coordinates(difference: Difference) -> Iterable[str]:
    for name, value in _key(difference).items():
        yield f"{name} {value or '(none)'}"


def _key(difference: Difference) -> dict[str, str]:
    names = COORDINATES[difference.kind]
    if difference.kind is Kind.PERSONS and difference.counter != "person":
        names = ("account", "bucket")
    key = dict(zip(names, difference.key, strict=True))
    if "threshold" in key:
        key["threshold"] = f"{int(key['threshold']) / THRESHOLD_PARTS:g}"
    return {name: nameless(value) if name == "profile" else value for name, value in key.items()}


def _value(difference: Difference, value: int | str) -> str:
    if isinstance(value, str):
        return nameless(value)
    if difference.counter == "allowance" and value == NO_PLAN:
        return "none"
    return f"{value:,}"


def _difference(difference: Difference, apart: Collection[str]) -> dict[str, Any]:
    values = {name: nameless(value) if isinstance(value, str) else value for name, value in difference.values.items()}
    return {
        "comparison": difference.kind.value,
        **_key(difference),
        "counter": difference.counter,
        "journal_partition": difference.partition,
        "journal_offset": difference.offset,
        "values": values,
        "meaning": meaning(difference, apart),
    }


def nameless(profile: str) -> str:
    """A profile's id; its hash where the id looks like an address (in ClickHouse: hex(xxh3(profile_id)))."""
    if not _ADDRESS.search(profile):
        return profile
    return f"xxh3:{xxhash.xxh3_64_intdigest(profile.encode()):016X}"
