"""The selection of accounts for Prometheus: qualified by floor or forecast, the highest first, the rest counted."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pipeline.core.accounts import Accounts, Cycle
from pipeline.core.forecast import Forecast
from pipeline.core.record import Plan
from pipeline.core.window import DAY_US
from pipeline.settings import SettingsError, load
from pipeline.telemetry.numbers import LABEL_CHARS_MAX, label
from pipeline.telemetry.selection import Band, Choice, Look, select

START, END = 0, 30 * DAY_US
NOW = 10 * DAY_US
FLOOR = Choice(Fraction("0.8"), 500)


def accounts(**used: int) -> Accounts:
    """Accounts of an allowance of 100 in one cycle."""
    made = Accounts()
    for account, n in used.items():
        made.cycles[account] = {START: Cycle(END, n, n, frozenset())}
        made.plans[account] = (Plan(account, 100, 1, "UTC", (0.8, 0.9, 1.0), None, START, 1),)
    return made


def foreseen(made: Accounts, account: str, then: int, expected: int, confident: bool = True) -> None:
    """Let a forecast of day 9 say so."""
    forecast = Forecast(account, START, 9 * DAY_US, then, then, expected, 2 * expected, confident)
    made.cycles[account][START] = made.cycles[account][START]._replace(foreseen=forecast)


def shown(look: Look) -> list[str]:
    return [row.account_id for row in look.shares[0].rows]


def test_the_floor_is_inclusive_and_exact() -> None:
    look = select({0: accounts(below=79, at=80, above=81)}, NOW, FLOOR)
    assert (shown(look), look.shares[0].dropped) == (["above", "at"], 0)
    tenth = Accounts({"a": {START: Cycle(END, 3, 3, frozenset())}}, accounts(a=0).plans)
    tenth.plans["a"] = (tenth.plans["a"][0]._replace(allowance=30),)
    assert shown(select({0: tenth}, NOW, Choice(Fraction("0.1"), 1))) == ["a"]


def test_an_account_below_the_floor_is_shown_when_it_is_forecast_with_confidence_to_run_out() -> None:
    made = accounts(sure=10, unsure=10, enough=10)
    foreseen(made, "sure", 10, 101)
    foreseen(made, "unsure", 10, 101, confident=False)
    foreseen(made, "enough", 10, 100)
    assert shown(select({0: made}, NOW, FLOOR)) == ["sure"]


def test_beyond_the_bound_the_highest_ratios_are_shown_and_the_others_counted() -> None:
    made = accounts(a=80, b=95, c=95, d=200, e=10)
    for rows_max, names in enumerate(["", "d", "db", "dbc", "dbca", "dbca"]):
        look = select({0: made}, NOW, Choice(Fraction("0.8"), rows_max))
        assert (shown(look), look.shares[0].dropped) == (list(names), 4 - len(names))


def test_the_bound_is_of_all_partitions_together() -> None:
    look = select({0: accounts(a=90), 1: accounts(b=99, c=85)}, NOW, Choice(Fraction("0.8"), 2))
    assert [(len(share.rows), share.dropped) for share in look.shares.values()] == [(1, 0), (1, 1)]


def test_a_cycle_is_over_at_its_end_and_none_before_its_start() -> None:
    made = accounts(a=90)
    assert shown(select({0: made}, START, FLOOR)) == shown(select({0: made}, END - 1, FLOOR)) == ["a"]
    assert shown(select({0: made}, START - 1, FLOOR)) == shown(select({0: made}, END, FLOOR)) == []


def test_of_cycles_that_overlap_it_is_the_one_in_which_activities_count_now() -> None:
    made = accounts(a=90)  # whose plan counts from the month's first day
    made.cycles["a"][5 * DAY_US] = Cycle(20 * DAY_US, 85, 85, frozenset())
    (row,) = select({0: made}, NOW, FLOOR).shares[0].rows
    assert (row.used, row.cycle_end) == (90, 30 * 86400)
    made.cycles["a"][DAY_US] = made.cycles["a"].pop(START)  # neither is counted in now: the later one is shown
    (row,) = select({0: made}, NOW, FLOOR).shares[0].rows
    assert (row.used, row.cycle_end) == (85, 20 * 86400)


def test_exhaustion_is_where_the_line_from_the_forecast_meets_the_allowance_rounded_down() -> None:
    made = accounts(a=60)
    foreseen(made, "a", 40, 130)
    (row,) = select({0: made}, NOW, FLOOR).shares[0].rows
    assert row.exhausted_at == 9 * 86400 + int(60 / 90 * 21 * 86400)
    assert row.forecast_ratio == 1.3


def test_what_is_used_up_has_no_exhaustion_and_its_forecast_is_never_below_what_is_used() -> None:
    made = accounts(a=140)
    foreseen(made, "a", 40, 130)
    (row,) = select({0: made}, NOW, FLOOR).shares[0].rows
    assert (row.exhausted_at, row.forecast_ratio, row.ratio) == (None, 1.4, 1.4)


def test_without_confidence_there_is_no_forecast() -> None:
    made = accounts(a=90)
    foreseen(made, "a", 40, 130, confident=False)
    (row,) = select({0: made}, NOW, FLOOR).shares[0].rows
    assert (row.exhausted_at, row.forecast_ratio) == (None, None)


@pytest.mark.parametrize(
    ("used", "band"),
    [
        (0, Band.BELOW_HALF), (49, Band.BELOW_HALF), (50, Band.HALF), (79, Band.HALF), (80, Band.EIGHT_TENTHS),
        (89, Band.EIGHT_TENTHS), (90, Band.NINE_TENTHS), (99, Band.NINE_TENTHS), (100, Band.EXHAUSTED),
    ],
)  # fmt: skip
def test_bands_begin_at_their_first_bound(used: int, band: Band) -> None:
    counted = select({0: accounts(a=used)}, NOW, FLOOR).shares[0].bands
    assert {found: n for found, n in counted.items() if n} == {band: 1}


def test_accounts_without_a_plan_or_without_a_cycle_under_way_are_told_apart() -> None:
    made = accounts(planned=5, unplanned=5, quiet=5, gone=5)
    del made.plans["unplanned"], made.plans["gone"]
    made.cycles["quiet"] = made.cycles["gone"] = {-END: Cycle(START, 9, 9, frozenset())}
    made.plans["new"] = made.plans["planned"]
    look = select({0: made}, NOW, Choice(Fraction("0.01"), 9))
    assert (shown(look), look.shares[0].bands[Band.NO_PLAN], look.shares[0].bands[Band.BELOW_HALF]) == (
        ["planned"],
        1,
        3,
    )


def test_a_label_is_the_id_itself_up_to_its_bound() -> None:
    for id_ in ("acme", "ümläut", 'quo"te\\', "x" * LABEL_CHARS_MAX):
        assert label(id_) == id_


def test_a_longer_id_is_cut_and_another_of_the_same_head_has_another_label() -> None:
    one, other = label("x" * 129), label("x" * 128 + "y")
    assert one != other
    assert {len(one), len(other)} == {LABEL_CHARS_MAX}
    assert label(one) != one, "an id that looks like a label that was made is not taken for it"


def test_a_control_character_is_not_shown() -> None:
    assert label("a\x00b") != label("a?b") == "a?b"
    assert not set(label("a\x00b\nc\x7f")) & set("\x00\n\x7f")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("allowance.gauges_accounts_max", 2_000, 2_001),
        ("allowance.gauges_floor", 10, 10.1),
        ("allowance.gauges_floor", 0.01, 0),
    ],
)
def test_what_is_shown_is_bounded_by_settings_with_bounds(name: str, right: float, wrong: float) -> None:
    assert load({name: right}, environ={}).value(name) == right
    with pytest.raises(SettingsError, match=name.upper().replace(".", "__")):
        load({name: wrong}, environ={})


@pytest.mark.parametrize("wrong", ["nan", "inf", "much", "0", "10.1"])
def test_a_floor_that_is_none_is_told_with_its_kind_and_range(wrong: str) -> None:
    with pytest.raises(SettingsError, match=f"'{wrong}' is not a number above 0, up to 10"):
        load({"allowance.gauges_floor": wrong}, environ={})
