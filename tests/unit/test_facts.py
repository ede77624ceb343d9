"""The log of facts: numbers for life, chains, forgetting from the front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.core.facts import OPEN, VENDOR, FactLog, rank
from pipeline.core.record import FACTS

NUMBERS = (1 << 32) - 1


def facts(log: FactLog, *rows: tuple[int, int, int], number: int | None = None) -> Any:
    """(profile, fact, occurred_at); new ones, or one that is taken over."""
    made = np.zeros(len(rows), FACTS)
    made["number"] = log.numbers(len(rows)) if number is None else number
    for n, (profile, fact, occurred_at) in enumerate(rows):
        made[n]["profile"], made[n]["fact"], made[n]["occurred_at"] = profile, fact, occurred_at
        made[n]["kind"] = OPEN
    return made


def write(log: FactLog, *rows: tuple[int, int, int], number: int | None = None) -> list[int]:
    made = facts(log, *rows, number=number)
    log.write(made, made["fact"].astype(np.uint64) * np.uint64(10))
    found: list[int] = made["number"].tolist()
    return found


def of(log: FactLog, profile: int) -> list[int]:
    found: list[int] = sorted(log.of_profiles(np.array([profile], np.uint64))[1].tolist())
    return found


def starting_at(number: int) -> FactLog:
    log = FactLog()
    log.base = log.count = number
    return log


@pytest.mark.parametrize("start", [0, 5, NUMBERS - 2, NUMBERS - 1, NUMBERS, 2 * NUMBERS - 1])
def test_numbers_begin_again_at_1_after_2_to_the_32_minus_1(start: int) -> None:
    log = starting_at(start)
    numbers = [*write(log, (7, 1, 10), (7, 2, 20)), *write(log, (8, 3, 30), (7, 4, 40))]
    assert numbers == [(start + n) % NUMBERS + 1 for n in range(4)]
    assert 0 not in numbers
    assert log.at(np.array(numbers, np.uint32), "occurred_at").tolist() == [10, 20, 30, 40]
    assert set(of(log, 7)) == {numbers[0], numbers[1], numbers[3]}
    assert of(log, 8) == [numbers[2]]
    log.forget(25)
    assert set(of(log, 7)) == {numbers[3]}
    assert log.alive(np.array(numbers, np.uint32), 0).tolist() == [False, False, True, True]


def test_a_fact_taken_over_keeps_its_number_and_place() -> None:
    log = FactLog()
    numbers = write(log, (7, 1, 10), (7, 2, 20))
    write(log, (7, 1, 5), number=numbers[0])
    assert log.count == 2
    assert log.at(np.array(numbers, np.uint32), "occurred_at").tolist() == [5, 20]
    assert of(log, 7) == numbers


@pytest.mark.parametrize(("limit", "alive"), [(9, True), (10, True), (11, False)])
def test_a_fact_is_alive_up_to_the_limit_and_not_past_it(limit: int, alive: bool) -> None:
    log = FactLog()
    numbers = np.array(write(log, (7, 1, 10)), np.uint32)
    assert log.alive(numbers, limit).tolist() == [alive]
    log.forget(limit)
    assert log.count - log.base == alive


def test_number_0_is_nobody_s() -> None:
    for start in (0, NUMBERS - 1, NUMBERS):
        log = starting_at(start)
        write(log, (7, 1, 10), (7, 2, 10))
        assert log.alive(np.zeros(1, np.uint32), 0).tolist() == [False]


def test_a_dead_fact_behind_a_live_one_waits_for_its_turn() -> None:
    log = FactLog()
    numbers = np.array(write(log, (7, 1, 50), (7, 2, 10), (7, 3, 60)), np.uint32)
    log.forget(20)
    assert log.base == 0
    assert log.alive(numbers, 20).tolist() == [True, False, True]
    log.forget(55)
    assert log.base == 2


def test_profiles_without_facts_have_none() -> None:
    log = FactLog()
    write(log, (7, 1, 10))
    assert of(log, 9) == []
    who, numbers = log.of_profiles(np.zeros(0, np.uint64))
    assert len(who) == len(numbers) == 0


def test_many_facts_of_one_profile_are_all_found() -> None:
    log = FactLog()
    numbers = [number for n in range(30) for number in write(log, *[(7, 100 * n + m, n) for m in range(100)])]
    assert of(log, 7) == numbers


def test_a_raw_event_is_before_every_vendor_s_unique_one() -> None:
    kinds = np.array([OPEN, OPEN, OPEN | VENDOR, OPEN | VENDOR], np.uint8)
    times = np.array([5, 2**60, -(2**60), 0], np.int64)
    assert np.argsort(rank(times, kinds)).tolist() == [0, 1, 2, 3]
