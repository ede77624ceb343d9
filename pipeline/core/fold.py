"""Fold: the only thing that changes a state, on the live path after the append and in recovery alike.

In:   a state and a valid journal record.  Out: the state after it. It decides nothing.
Time: the record's stream time; what a new day forgets is forgotten first, and swept by parts with this and the next
records: till then it is there, and whoever asks takes it for gone.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.deduplicate import FIELDS, TAGS, forgotten, remember, remembers_since
from pipeline.core.forecast import RECENT_DAYS
from pipeline.core.record import Record, Rules
from pipeline.core.state import State
from pipeline.core.table import HashTable
from pipeline.core.uniques import apply_uniques
from pipeline.core.window import DAY_US


def fact_limit(day: int, rules: Rules) -> int:
    """Facts held by events before this instant are forgotten on a stream day."""
    return (day - rules.unique_days) * DAY_US


def cycle_limit(day: int, rules: Rules) -> int:
    """Cycles that ended before this instant can change no more on a stream day, and no forecast looks at them."""
    return (day - max(rules.window_days, RECENT_DAYS) - 1) * DAY_US


def apply(state: State, record: Record, seed: int) -> None:
    """What the record says, in absolute terms; `seed` hashes the profiles that it names."""
    before, day = state.stream_time // DAY_US, record.stream_time // DAY_US
    if day > before:
        _forget(state, before, day, record.rules)
    _sweep(state)
    state.stream_time = record.stream_time
    remember(state.seen, (record.identities, record.payloads, record.origins), day)
    for label in record.labels:
        state.labels[label] = len(state.labels)
    apply_uniques(state.log, state.held, record.facts, record.identities[record.facts["row"]], record.holders)
    state.persons.apply(record.registers, record.persons, seed)
    state.accounts.apply(record.allowance, record.plans, record.forecasts)


def settle(state: State) -> None:
    """Sweep all that is forgotten."""
    while not (state.seen.swept is state.held.swept is None and state.log.is_swept):
        _sweep(state)


def _forget(state: State, before: int, day: int, rules: Rules) -> None:
    settle(state)  # of a day before, where fewer records came since than a sweep has parts
    _forget_identities(state, before, day, rules)
    state.remembers_since = remembers_since(state.remembers_since, day, rules.window_days)
    state.log.forget(fact_limit(day, rules))
    state.held.begin_sweep()
    state.accounts.forget(cycle_limit(day, rules))


def _forget_identities(state: State, before: int, day: int, rules: Rules) -> None:
    days = rules.window_days + 1
    if day - before > days:
        state.seen = HashTable(FIELDS)
        return
    gone = forgotten(before, day, rules.window_days)
    if day - before + days >= TAGS:  # some have the tag that the new day has
        state.seen.drop(gone[state.seen.fields["tag"]])
        return
    gone[day % TAGS] = False
    state.gone = gone
    state.seen.begin_sweep()


def _sweep(state: State) -> None:
    """A share of what is forgotten goes."""
    tags, numbers = state.seen.fields["tag"].reshape(-1), state.held.fields["number"].reshape(-1)
    gone, log = state.gone, state.log
    state.seen.sweep(lambda slots: gone[tags[slots]])
    if state.seen.swept is None and gone.any():
        state.gone = np.zeros_like(gone)
    state.held.sweep(lambda slots: ~log.alive(numbers[slots], log.limit))
    log.sweep()
