"""The state of one partition: what its journal, folded, says. Columnar; nothing but `fold.apply` changes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.accounts import Accounts, Cycle
from pipeline.core.deduplicate import FIELDS as SEEN
from pipeline.core.facts import FactLog
from pipeline.core.forecast import Forecast
from pipeline.core.hashing import Mask
from pipeline.core.persons import Persons
from pipeline.core.record import Label, Plan
from pipeline.core.table import HashTable
from pipeline.core.undo import Undo

Columns = dict[str, npt.NDArray[Any]]

HELD = {"number": np.uint32}


@dataclass(slots=True)
class State:
    """`seen`: identity -> payload, origin, day. `held`: (profile or person, fact) -> number of the fact.

    `remembers_since`: the stream day from which on `seen` has every identity.
    `gone`: tags of days that are forgotten, though `seen` may still have some of their identities.
    """

    stream_time: int = 0
    remembers_since: int = 0
    gone: Mask = field(default_factory=lambda: np.zeros(256, bool))
    seen: HashTable = field(default_factory=lambda: HashTable(SEEN))
    persons: Persons = field(default_factory=Persons)
    held: HashTable = field(default_factory=lambda: HashTable(HELD))
    log: FactLog = field(default_factory=FactLog)
    labels: dict[Label, int] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)


def columns(state: State) -> Columns:
    """The state as raw columns, for a snapshot: views, valid until the next `apply`."""
    parts: dict[str, Columns] = {
        "seen": _table(state.seen),
        "held": _table(state.held),
        "log": state.log.dump(),
        "persons": state.persons.dump(),
    }
    flat = {f"{part}.{name}": column for part, named in parts.items() for name, column in named.items()}
    rest = {
        "stream_time": state.stream_time,
        "remembers_since": state.remembers_since,
        "gone": state.gone.nonzero()[0].tolist(),
        "labels": [list(label) for label in state.labels],
        "cycles": [
            [
                account,
                start,
                *cycle[:3],
                sorted(cycle.crossed),
                cycle.forecast,
                sorted(cycle.days.items()),
                cycle.foreseen,
            ]
            for account, cycles in state.accounts.cycles.items()
            for start, cycle in cycles.items()
        ],
        "plans": [list(plan) for plans in state.accounts.plans.values() for plan in plans],
    }
    return {**flat, "rest": np.frombuffer(json.dumps(rest).encode(), np.uint8)}


def freeze(state: State) -> Undo:
    """The state's columns as they are now, to be copied while it goes on; of one instant at a time."""
    assert not state.seen.undo.is_open, "a state is copied once at a time"
    undo = Undo(columns(state))
    state.seen.undo = state.held.undo = undo
    state.log.tell(undo)
    state.persons.tell(undo)
    return undo


def from_columns(flat: Columns) -> State:
    """The state of `columns`."""
    rest = json.loads(flat["rest"].tobytes())
    state = State(
        stream_time=rest["stream_time"],
        remembers_since=rest["remembers_since"],
        seen=_table_of(flat, "seen"),
        persons=Persons.of(_part(flat, "persons")),
        held=_table_of(flat, "held"),
        log=FactLog.of(_part(flat, "log")),
        labels={Label(*label): number for number, label in enumerate(rest["labels"])},
    )
    state.gone[rest["gone"]] = True
    for account, start, end, used, used_as_closed, crossed, forecast, days, foreseen in rest["cycles"]:
        last = None if foreseen is None else Forecast(*foreseen)
        cycle = Cycle(end, used, used_as_closed, frozenset(crossed), forecast, dict(days), last)
        state.accounts.cycles.setdefault(account, {})[start] = cycle
    for row in rest["plans"]:
        account_id, allowance, anchor_day, time_zone, thresholds, activities, occurred_at, identity = row
        own = None if activities is None else tuple(activities)
        plan = Plan(account_id, allowance, anchor_day, time_zone, tuple(thresholds), own, occurred_at, identity)
        state.accounts.plans[plan.account_id] = (*state.accounts.plans.get(plan.account_id, ()), plan)
    return state


def _table(table: HashTable) -> Columns:
    fields = {name: column.reshape(-1) for name, column in table.fields.items()}
    return {"keys": table.keys.reshape(-1), **fields, "sweeping": table.sweeping}


def _part(flat: Columns, part: str) -> Columns:
    return {name.removeprefix(f"{part}."): column for name, column in flat.items() if name.startswith(f"{part}.")}


def _table_of(flat: Columns, part: str) -> HashTable:
    named = {name: np.array(column) for name, column in _part(flat, part).items()}
    sweeping = named.pop("sweeping")
    table = HashTable.of(named.pop("keys"), named)
    table.go_on_sweeping(sweeping)
    return table
