"""An audit's looks at the tables: all taken at one place of the journal, none while a range is open."""

from __future__ import annotations

import pytest

from connectors.clickhouse.ranges import Position
from pipeline.audit.comparison import Kind
from pipeline.audit.faults import AuditFailed
from pipeline.audit.look import Looks, Unit
from tests.integration import audit_world
from tests.integration.audit_world import AuditWorld, journaled

world = pytest.fixture(journaled)
filled = pytest.fixture(audit_world.filled)


def test_ranges_that_open_one_behind_the_other_are_a_busy_sink(filled: AuditWorld) -> None:
    ranges = [Position(5 + n, 1, 4 + n, end=6 + n) for n in range(20)]
    with pytest.raises(AuditFailed, match="The sink is busy: audit again when it has caught up"):
        looks(filled, Moving(*ranges), timeout=0.3).all([Unit(0)], lambda done: None)


class Said:
    """Offset commits as a test says them, the last one for ever."""

    def __init__(self, *positions: Position) -> None:
        self._positions = list(positions)

    def position(self, partition: int) -> Position:
        return self._positions.pop(0) if len(self._positions) > 1 else self._positions[0]


class Moving(Said):
    """The same round and round: every question gets another answer."""

    def position(self, partition: int) -> Position:
        self._positions.append(self._positions.pop(0))
        return self._positions[-1]


def looks(world: AuditWorld, said: Said, timeout: float = 5.0) -> Looks:
    return Looks(world.service, said, 80, timeout)


@pytest.mark.parametrize("accounts", [(), ("acc-0-a", "acc-0-b")])
def test_a_look_during_which_something_was_inserted_is_taken_again(
    filled: AuditWorld, accounts: tuple[str, ...]
) -> None:
    closed, later = Position(5, 1, 4), Position(6, 2, 5)
    said = Said(closed, closed, later, later)  # asked before the wait, before the views, behind them, and so on
    seen = looks(filled, said).all([Unit(0, accounts)], lambda done: None)
    assert {look.position for look in seen} == {later}
    assert sorted(account for look in seen for account in look.unit.accounts) == sorted(accounts)


def test_no_look_is_taken_while_a_range_is_open(filled: AuditWorld) -> None:
    closed = Position(6, 2, 5)
    said = Said(Position(5, 1, 4, end=6), Position(5, 1, 4, end=6), closed)
    (look,) = looks(filled, said).all([Unit(0)], lambda done: None)
    assert look.position == closed


def test_where_nothing_is_open_one_look_is_taken_however_short_the_time(filled: AuditWorld) -> None:
    closed = Position(6, 2, 5)
    (look,) = looks(filled, Said(closed), timeout=0.0).all([Unit(0)], lambda done: None)
    assert look.position == closed


def test_a_range_that_opens_behind_the_wait_tears_the_look(filled: AuditWorld) -> None:
    closed, opened, done = Position(5, 1, 4), Position(5, 1, 4, end=6), Position(6, 2, 5)
    (look,) = looks(filled, Said(closed, closed, opened, opened, done)).all([Unit(0)], lambda done: None)
    assert look.position == done


def test_raw_rows_of_later_records_are_left_out(filled: AuditWorld) -> None:
    (look,) = looks(filled, Said(Position(2, 1, 1))).all([Unit(0)], lambda done: None)
    view, raw = look.sides[Kind.CONSERVATION]
    key = ("events.email", "0")
    assert 0 < (raw.number(key, "accepted") or 0) < (view.number(key, "accepted") or 0)
