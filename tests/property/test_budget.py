"""Every property has its thousand cases, and a case that fails is found, made shorter and can be repeated."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.property import cases
from tests.property.budget import EXAMPLES, TIMES
from tests.property.cases import Case, every_case, shorter
from tests.property.histories import rolled
from tests.property.shapes import DENSE, NEAR

HERE = Path(__file__).parent
# Not over cases of their own: worked examples, longer or larger histories beside the thousand shorter ones, and advice
# for a plan, of which each case tries a hundred.
BESIDE = {
    "test_a_cycle_whose_midnight_is_skipped_begins_with_its_day",
    "test_long_histories_count_as_the_oracle_counts",
    "test_a_crowd_in_large_batches_counts_as_the_oracle_counts",
    "test_accepted_events_are_counted_run_by_run",
    "test_what_is_advised_was_tried_and_moves_what_was_given",
}


def properties() -> Iterator[tuple[str, Any]]:
    """Every test of this folder by name."""
    for path in sorted(HERE.glob("test_*.py")):
        if path.name not in (Path(__file__).name, "test_histories.py"):
            module = importlib.import_module(f"tests.property.{path.stem}")
            yield from ((name, test) for name, test in vars(module).items() if name.lower().startswith("test"))


def cases_of(test: Any) -> int:
    """How many cases a property asks for."""
    if hasattr(test, "cases"):
        return int(test.cases)
    chosen = getattr(test, "_hypothesis_internal_use_settings", None) or getattr(test, "settings", None)
    return chosen.max_examples // TIMES if chosen else 0


def test_every_property_has_a_thousand_cases() -> None:
    assert EXAMPLES == 1000
    smaller = {name: cases_of(test) for name, test in properties() if name not in BESIDE and cases_of(test) < EXAMPLES}
    assert not smaller


def test_no_exception_to_the_thousand_is_stale() -> None:
    assert {name for name, _ in properties()} >= BESIDE


def test_the_check_is_called_with_so_many_different_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def note_it(case: Case) -> None:
        seen.append(case.number)

    test: Any = every_case({"near": NEAR, "dense": DENSE}, sizes=(1,))(note_it)
    monkeypatch.setattr(cases, "CASE", "")
    for shape in ("near", "dense"):
        test(shape, 7)
    assert len(set(seen)) == len(seen) == EXAMPLES * TIMES == test.cases * TIMES


def two_profiles(case: Case) -> None:
    assert len({sent.event["profile_id"] for sent in case.history if sent.event and sent.event["profile_id"]}) < 2


def test_a_case_that_fails_is_made_as_short_as_it_gets() -> None:
    case = Case(1, cases.SMALL, rolled(1, DENSE, cases.SMALL, 40))
    with pytest.raises(AssertionError):
        two_profiles(case)
    found = shorter(two_profiles, case)
    assert len(found.history) == 2
    with pytest.raises(AssertionError):
        two_profiles(found)


def test_a_failure_names_the_case_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    test = every_case({"dense": DENSE})(two_profiles)
    with pytest.raises(AssertionError) as failed:
        test("dense", 7)
    number = str(failed.value.__notes__[0]).partition("TALLY_CASE=")[2].partition(",")[0]
    monkeypatch.setattr(cases, "CASE", number)
    with pytest.raises(AssertionError) as again:
        test("dense", 8)
    assert again.value.__notes__ == failed.value.__notes__
