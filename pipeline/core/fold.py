"""Fold: the only thing that changes a state, on the live path after the append and in recovery alike.

In:   a state and a valid journal record.  Out: the state after it. It decides nothing.
Time: the record's stream time; what a new day forgets goes first.
"""

from __future__ import annotations

from pipeline.core.deduplicate import forget, remember, remembers_since
from pipeline.core.forecast import RECENT_DAYS
from pipeline.core.record import Record, Rules
from pipeline.core.state import State
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
    state.stream_time = record.stream_time
    remember(state.seen, (record.identities, record.payloads, record.origins), day)
    for label in record.labels:
        state.labels[label] = len(state.labels)
    apply_uniques(state.log, state.held, record.facts, record.identities[record.facts["row"]], record.holders)
    state.persons.apply(record.registers, record.persons, seed)
    state.accounts.apply(record.allowance, record.plans, record.forecasts)


def _forget(state: State, before: int, day: int, rules: Rules) -> None:
    forget(state.seen, before, day, rules)
    state.remembers_since = remembers_since(state.remembers_since, day, rules.window_days)
    limit = fact_limit(day, rules)
    number = state.held.fields["number"]
    state.held.drop(~state.log.alive(number.reshape(-1), limit).reshape(number.shape))
    state.log.forget(limit)
    state.accounts.forget(cycle_limit(day, rules))
