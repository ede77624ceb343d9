"""Snapshots: the state as columns and back, and what the state forgets."""

from __future__ import annotations

import numpy as np

from pipeline.core import state
from pipeline.core.fold import cycle_limit, fact_limit
from pipeline.core.window import DAY_US
from tests.events import NOON_MS, NOON_US, context, event, merge, plan, split
from tests.partition import Partition
from tests.property.running import folded, frozen, thawed

DAY_MS = 86_400_000


def busy() -> Partition:
    partition = Partition()
    opened = [event("email_opened", profile_id=f"p{n}", message_id="m", campaign_id="ü") for n in range(50)]
    partition.send(*opened, merge(["p1", "p2"], "p3"), plan(3, activities=["email_opened"]), plan(9, account_id="b"))
    return partition


def test_a_state_comes_back_from_its_columns_byte_for_byte() -> None:
    partition = busy()
    again = thawed(partition.state)
    assert frozen(again) == frozen(partition.state)
    assert again.accounts == partition.state.accounts
    assert again.labels == partition.state.labels


def test_an_empty_state_comes_back_too() -> None:
    assert frozen(thawed(state.State())) == frozen(state.State())


def test_columns_are_plain_arrays_of_one_dimension() -> None:
    for name, column in state.columns(busy().state).items():
        assert column.ndim == 1, name
        assert column.dtype.hasobject is False, name


def test_a_state_from_columns_does_not_write_into_them() -> None:
    partition = busy()
    columns = {name: np.array(column) for name, column in state.columns(partition.state).items()}
    for column in columns.values():
        column.setflags(write=False)
    before = {name: column.tobytes() for name, column in columns.items()}
    partition.outcome.state = state.from_columns(columns)
    partition.send(*[event("email_opened", profile_id=f"q{n}", message_id="m") for n in range(2000)])
    partition.send(event("email_sent"), at_ms=NOON_MS + 200 * DAY_MS)
    assert {name: column.tobytes() for name, column in columns.items()} == before


def test_a_state_is_copied_as_it_was_though_it_goes_on() -> None:
    partition = busy()
    wanted, copying = frozen(partition.state), state.freeze(partition.state)
    earlier = [event("email_opened", profile_id=f"p{n}", message_id="m", occurred_at=NOON_US - 9) for n in range(50)]
    partition.send(*earlier, merge(["p4"], "p3"), split("p3", {"p3": ["p1"], "p2": []}), plan(4))
    partition.send(*[event("email_clicked", profile_id=f"q{n}", message_id="m") for n in range(2000)])
    now = frozen(partition.state)
    assert all(now[name] != wanted[name] for name in ("seen.keys", "held.keys", "log.occurred_at", "persons.person"))
    assert {name: column.tobytes() for name, column in copying.copied().items()} == wanted


def test_the_fold_of_the_journal_is_the_state() -> None:
    partition = busy()
    partition.send(event("email_sent"), at_ms=NOON_MS + 200 * DAY_MS)
    assert frozen(folded(partition.outcome.journal, context())) == frozen(partition.state)


def test_a_long_silence_forgets_identities_facts_and_cycles_but_not_persons_nor_the_plan() -> None:
    partition = busy()
    later_ms = NOON_MS + 200 * DAY_MS
    partition.send(event("email_sent", occurred_at=later_ms * 1000), at_ms=later_ms)
    now = partition.state
    assert (now.seen.count, now.held.count, now.log.count - now.log.base) == (1, 0, 0)
    assert now.accounts.cycles == {}
    assert {account: len(plans) for account, plans in now.accounts.plans.items()} == {"acme": 1, "b": 1}
    partition.send(event("email_sent", profile_id="p1", occurred_at=later_ms * 1000), at_ms=later_ms)
    assert partition.outcome.rows[-1]["person_id"] == "p3"


def test_limits_are_whole_days_of_the_stream() -> None:
    rules = context().rules
    day = NOON_US // DAY_US
    assert fact_limit(day, rules) == (day - 90) * DAY_US
    assert cycle_limit(day, rules) == (day - 8) * DAY_US


def test_memory_of_facts_is_given_back_as_days_pass() -> None:
    partition = Partition(unique_days=8)
    for days in range(40):
        at_ms = NOON_MS + days * DAY_MS
        opened = [event("email_opened", profile_id=f"p{n}", message_id=f"{days}") for n in range(100)]
        partition.send(*[one | {"occurred_at": at_ms * 1000} for one in opened], at_ms=at_ms)
    log = partition.state.log
    assert log.count == 4000
    assert log.count - log.base == partition.state.held.count == 900
    assert partition.state.seen.count == 900
    assert len(log.dump()["fact"]) == 900
