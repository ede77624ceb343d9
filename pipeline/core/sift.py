"""Sift: the stages up to deduplication, which part new events from rejects and copies.

decode > validate > accept window > identify > deduplicate
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.core.accepted import Keys
from pipeline.core.context import Context
from pipeline.core.deduplicate import Copies, deduplicate, forgotten
from pipeline.core.events import Events
from pipeline.core.hashing import Ints
from pipeline.core.identify import identify
from pipeline.core.origins import place
from pipeline.core.reasons import Reject
from pipeline.core.state import State
from pipeline.core.validate import Faults, validate
from pipeline.core.window import DAY_US, in_the_future, may_be_forgotten, too_late


class Sifted(NamedTuple):
    """Decoded rows: the new ones, ascending; the faulty ones; the copies, and whether their first was remembered."""

    keys: Keys
    faults: Faults
    new: Ints
    copies: Ints
    remembered: list[bool]


def sift(state: State, events: Events, stream: Ints, context: Context) -> Sifted:
    """Part a batch's decoded rows; `stream` is the stream's time at each place of the batch."""
    types, account = events.codes("type"), events.codes("account_id")
    faults = validate(events, types, context.vocabulary)
    before, day = state.stream_time // DAY_US, int(stream[-1]) // DAY_US
    window_days = context.rules.window_days
    _accept_window(events, stream[events.seq], state.remembers_since, context, faults)
    account_hash = account.hashes(context.seed)
    identity = identify(events, account_hash, ~faults.bad, context.seed)
    rows = np.flatnonzero(~faults.bad)
    rows = rows[np.argsort(events.seq[rows], kind="stable")]
    gone = state.gone | forgotten(before, day, window_days)
    copies = deduplicate(state.seen, gone, identity[rows], events.body_hash[rows], events.origin[rows])
    _report_conflicts(rows, copies, faults)
    duplicate = ~copies.is_new & ~copies.conflicts
    keys = Keys(account, types, account_hash, identity)
    return Sifted(keys, faults, np.sort(rows[copies.is_new]), rows[duplicate], copies.remembered[duplicate].tolist())


def refuse(sifted: Sifted, why: str) -> Sifted:
    """The same with every new event rejected as oversized, for a reason in words."""
    for row in sifted.new.tolist():
        sifted.faults.add_one(row, Reject.OVERSIZED, why)
    return sifted._replace(new=sifted.new[:0])


def _accept_window(events: Events, stream: Ints, since: int, context: Context, faults: Faults) -> None:
    occurred_at, rules = events.occurred_at, context.rules
    late, unsure = too_late(occurred_at, stream, rules), may_be_forgotten(occurred_at, since)
    early = in_the_future(occurred_at, events.arrived_at, rules)
    if not (late | unsure | early).any():
        return
    faults.add(late, Reject.TOO_LATE, f"occurred_at is before the acceptance window of {rules.window_days} days")
    day = np.datetime64(since + 1, "D")
    detail = f"occurred_at is before {day}: a copy from then would not be recognised, since the window was smaller"
    faults.add(unsure, Reject.TOO_LATE, detail)
    detail = f"occurred_at is more than {rules.future_minutes_max} minutes ahead of arrival"
    faults.add(early, Reject.IN_THE_FUTURE, detail)


def _report_conflicts(rows: Ints, copies: Copies, faults: Faults) -> None:
    for at in np.flatnonzero(copies.conflicts).tolist():
        topic, offset = place(int(copies.first[at]))
        detail = f"same identity as the event at {topic} offset {offset} of this partition, with another payload"
        faults.add_one(int(rows[at]), Reject.CONFLICTING_DUPLICATE, detail)
