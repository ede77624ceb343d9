"""The forecast's back-test: the stated coverage holds, the page has the tool's numbers, and the tool counts right."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.core.forecast import BAND, Band
from pipeline.core.window import DAY_US
from tests.backtest import __main__ as command
from tests.backtest import page
from tests.backtest.fit import cases_of, cost_of
from tests.backtest.histories import HISTORIES, KINDS, SEED, History, drawn, histories
from tests.backtest.measures import accuracy, broken, exhaustion, quantile
from tests.backtest.replay import FORECAST_DAYS, Outcome, outcomes, pace_at, replayed

PAGE = (Path(__file__).parents[2] / page.PAGE).read_text(encoding="utf-8")
START_DAY = 20_000
SURE = Outcome("noise", 5, 30, 100, 90, 100, 120, confident=True, used_up=False, said=None, came=None)


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return replayed(HISTORIES, SEED)


def steady(allowance: int, *, later: int = 10) -> History:
    """Ten a day, `later` from the cycle's day 20 on; a cycle of 30 days."""
    days = {START_DAY + n: 10 if n < 20 else later for n in range(-31, 30)}
    return History("noise", START_DAY * DAY_US, (START_DAY + 30) * DAY_US, days, allowance)


def test_the_band_holds_what_it_promises_of_the_mixture_at_each_of_the_days(found: list[Outcome]) -> None:
    assert {one.day for one in found} == {5, 10, 20}
    assert broken(found) == []


def test_the_page_has_the_numbers_of_the_tool(found: list[Outcome]) -> None:
    assert page.between_marks(PAGE, page.report(found, HISTORIES, SEED)) == PAGE, "run `make backtest ARGS=--write`"


def test_the_page_s_formula_has_the_constants_of_the_code() -> None:
    said = [f"{n / 100:g}" for n in BAND]
    assert f"`below` is {said[0]}, `above` is {said[1]}, `unseen` is {said[2]}" in PAGE


@pytest.mark.parametrize(("held", "kept"), [(74, False), (75, True), (85, True), (86, False)])
def test_a_band_that_holds_too_few_or_too_many_is_told(held: int, kept: bool) -> None:
    made = [SURE] * held + [SURE._replace(actual=121)] * (100 - held)
    told = broken(made)
    assert told == ([] if kept else [f"day 5: the band holds {held}.0% of the mixture; 75% to 85% are promised"])


def test_errors_and_coverage_are_shares_of_what_came() -> None:
    made = [SURE._replace(actual=n) for n in (50, 80, 90, 100, 120, 121)]
    row = accuracy("noise", 5, made)
    assert (row.forecasts, row.held, row.below, row.above) == (6, 3 / 6, 2 / 6, 1 / 6)
    assert row.error == pytest.approx(20 / 120)  # the third of 0, 10/90, 20/120, 21/121, 20/80, 50/50
    assert row.error_90 == pytest.approx(1.0)
    assert row.bias == pytest.approx(0.0)
    assert row.width == pytest.approx(30 / 100)


def test_an_account_that_used_nothing_divides_by_one() -> None:
    row = accuracy("small", 5, [SURE._replace(actual=0, low=0, expected=2, high=3)])
    assert (row.error, row.width) == (2.0, 3.0)


def test_precision_and_recall_leave_out_what_was_used_up_already() -> None:
    right = SURE._replace(said=4.0, came=6.5)
    made = [right, right, SURE._replace(said=1.0), SURE._replace(came=1.0), SURE, right._replace(used_up=True)]
    row = exhaustion("noise", 5, made)
    assert (row.forecasts, row.said, row.came, row.right) == (5, 3, 3, 2)
    assert (row.precision, row.recall, row.error) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 2.5)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.9, 4), (1.0, 4)])
def test_a_quantile_is_a_value_that_was_there(share: float, value: float) -> None:
    assert quantile([4, 1, 3, 2], share) == value


def test_equal_days_are_foreseen_as_they_come() -> None:
    for one in outcomes(steady(245)):
        assert (one.expected, one.actual, one.length) == (300, 300, 30)
        assert one.said == one.came == 24.5 - one.day


def test_the_allowance_that_is_used_to_the_last_has_not_run_out() -> None:
    assert [(one.said, one.came) for one in outcomes(steady(300))] == [(None, None)] * 3


def test_an_allowance_that_is_gone_is_not_foreseen_to_run_out() -> None:
    assert [(one.used_up, one.came) for one in outcomes(steady(100))] == [(False, 5.0), (True, 0.0), (True, 0.0)]


def test_a_forecast_sees_no_day_that_is_still_to_come() -> None:
    for day in FORECAST_DAYS:
        assert pace_at(steady(300), day) == pace_at(steady(300, later=1_000), day)
    assert [one.actual for one in outcomes(steady(300, later=1_000))] == [10_200] * 3


def test_a_seed_draws_the_same_histories_and_the_halves_have_none_in_common() -> None:
    held_out, fit = list(histories("held out", 3, 7)), list(histories("fit", 3, 7))
    assert held_out == list(histories("held out", 3, 7))
    assert not [one for one in fit if one in held_out]


def test_there_are_cycles_of_28_to_31_days_and_only_a_new_account_lacks_days_before() -> None:
    lengths = set()
    for kind in KINDS:
        for number in range(60):
            history = drawn(kind, random.Random(number))
            first = history.start // DAY_US
            lengths.add((history.end - history.start) // DAY_US)
            assert min(history.days) == first - (0 if kind.name == "new" else 31)
            assert all(after == before + 1 for before, after in pairwise(sorted(history.days)))
    assert lengths == {28, 29, 30, 31}


def test_a_band_that_holds_too_little_costs_more() -> None:
    cases = list(cases_of(10, 20, 3))
    (cost, held), (narrow_cost, narrow_held) = cost_of(BAND, cases), cost_of(Band(10, 10, 10), cases)
    assert narrow_held < 0.3 < held
    assert cost < narrow_cost


def test_the_same_numbers_come_as_json(found: list[Outcome]) -> None:
    said = json.loads(page.as_json(found, HISTORIES, SEED))
    assert [row["day"] for row in said["accuracy"] if row["group"] == "mixture"] == [5, 10, 20]
    assert said["band"] == BAND._asdict()


def test_a_page_without_its_marks_is_told() -> None:
    with pytest.raises(ValueError, match=r"docs/forecast\.md lacks the line <!-- generated: end -->"):
        page.between_marks(f"a\n{page.BEGIN}\nb\n", "text")


@pytest.mark.parametrize("given", [["--histories", "10"], ["--seed", "2"], ["--fit"]])
def test_only_what_a_test_can_repeat_is_written_to_the_page(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--write", *given])
    assert ended.value.code == 2
