"""Which cycle is under way, patterns, bars, and how wide questions are."""

from __future__ import annotations

import pytest

from pipeline.allowance import rows, standing, statements
from pipeline.allowance.rows import Cycle, counting, under_way
from pipeline.core.record import Plan

DAY = 86_400
NOVEMBER, NINTH, DECEMBER = 1_793_491_200, 1_794_182_400, 1_796_083_200  # 2026-11-01, 2026-11-09, 2026-12-01, UTC
NOW = NINTH + 5 * DAY


def cycle(start: int, used: int = 0) -> Cycle:
    return Cycle("acme", start, start + 30 * DAY, None, used, used, *[None] * 11)


def plan(anchor_day: int, zone: str = "UTC") -> Plan:
    return Plan("acme", 5, anchor_day, zone, (), None, 1, 2)


def test_of_two_cycles_under_way_the_one_of_the_last_plan_counts() -> None:
    both = [cycle(NOVEMBER, 7), cycle(NINTH)]
    assert under_way(both, [plan(9)], NOW) == both[1]
    assert under_way(both, [plan(9), plan(1)], NOW) == both[0]
    assert under_way(both, [], NOW) == both[0]
    assert under_way(both, [plan(20)], NOW) == both[1]  # nothing in the plan's own cycle: the later one
    assert under_way(both, [plan(9)], DECEMBER + 20 * DAY) is None
    assert under_way([], [plan(9)], NOW) is None


def test_the_ones_that_count_no_more_are_left_out() -> None:
    found = [("acme", [NOVEMBER, NINTH], 9, "UTC"), ("none", [NOVEMBER, NINTH], 0, "")]
    assert standing.left_behind(found, NOW) == [f"{NOVEMBER} acme", f"{NINTH} none"]
    assert counting([], (1, "UTC"), NOW) is None


@pytest.mark.parametrize(
    ("ratio", "drawn"),
    [
        (None, "····"),
        (0.0, "    "),
        (0.5, "██  "),
        (0.53125, "██▏ "),
        (0.999, "███▉"),
        (1.0, "████"),
        (7.5, "████"),
        (-0.1, "    "),
    ],
)
def test_a_bar_is_full_from_the_whole_allowance_on(ratio: float | None, drawn: str) -> None:
    assert standing.bar(ratio, 4) == drawn


def test_a_glob_becomes_a_like_in_which_all_else_stands_for_itself() -> None:
    assert statements.like("shop-*_?%\\") == "shop-%\\__\\%\\\\"


def test_without_rows_there_is_an_empty_table() -> None:
    assert standing.table([], {}) == standing.Table([], 0)


def test_instants_are_told_to_the_minute_in_tables() -> None:
    assert (rows.minute(NINTH), rows.minute(None)) == ("2026-11-09T00:00Z", "")
    assert (rows.moment(NINTH), rows.moment(None)) == ("2026-11-09T00:00:00Z", None)
    assert (rows.percent(0.8), rows.percent(None)) == ("80.0 %", "")
