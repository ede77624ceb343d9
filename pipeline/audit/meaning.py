"""What a difference means: which of the computations is off, in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from connectors.clickhouse.recount import UNIQUES
from connectors.clickhouse.views import OFFSETS
from pipeline.audit.comparison import Difference, Kind, odd_ones
from pipeline.audit.fold import JOURNAL_ROWS, STATE
from pipeline.audit.look import RECOUNT, VIEW

PERSONS = "the map of persons is off: it does not say what the registers say"
_ODD = {
    VIEW: "the view is off: its tables do not add up to what was inserted",
    RECOUNT: "the raw rows are off: rows of events or rejects are missing, added or changed",
    JOURNAL_ROWS: "the journal's rows are off: what was decided does not follow from the events",
    STATE: "the folded state is off: it does not follow from the journal's rows",
}
_OF_KIND = {
    Kind.PARTITIONS: "its events are keyed wrongly: every topic's key must be account_id, by murmur2",
    Kind.PERSONS: PERSONS,
    Kind.PROFILES: "persons is off: it does not list the profiles that events, merges and splits have named",
    Kind.ALERTS: "allowance_alerts is off: alerts are missing, added or changed, as against the journal",
}
_OF_COUNTER = {
    "allowance": "allowance_cycles is off: it does not have the plan's allowance that the journal decided last",
    "cycle_end": "allowance_cycles is off: it does not have the end of the cycle that the journal decided last",
}
_OTHERS = "ClickHouse is off: its raw rows are of other source events than the journal's"
_MORE = "ClickHouse is off: it has rows that the journal does not have, or has some twice"
_LESS = "ClickHouse is off: it lacks rows that the journal has"


def meaning(difference: Difference, apart: Collection[str] = ()) -> str:
    """One sentence. `apart`: accounts whose persons differ, which changes the recount's uniques."""
    if sentence := _OF_KIND.get(difference.kind) or _OF_COUNTER.get(difference.counter):
        return sentence
    said = {name: value for name, value in difference.values.items() if isinstance(value, int)}
    ours = {said[name] for name in (JOURNAL_ROWS, STATE) if name in said}
    theirs = {said[name] for name in (VIEW, RECOUNT) if name in said}
    if len(ours) == len(theirs) == 1:
        return _apart(difference.counter, said, max(theirs) > max(ours))
    odd = odd_ones(said)
    if len(odd) != 1:
        return "several computations are off: see each number"
    if odd == [RECOUNT] and difference.counter in UNIQUES and difference.key[0] in apart:
        return f"the recount is off, and so are the persons by whom it counts: {PERSONS}"
    return _ODD.get(odd[0], "")


def _apart(counter: str, said: Collection[str], more: bool) -> str:
    """Journal and state say one number, ClickHouse another."""
    if counter == OFFSETS:
        return _OTHERS
    if VIEW in said and RECOUNT in said:
        return _MORE if more else _LESS
    return _ODD[VIEW if VIEW in said else RECOUNT]


def persons_apart(differences: Iterable[Difference]) -> set[str]:
    """Accounts whose persons differ."""
    return {difference.key[0] for difference in differences if difference.kind is Kind.PERSONS}
