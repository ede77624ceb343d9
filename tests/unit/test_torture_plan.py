"""The plan of a torture round: drawn from its seed alone, and nobody a victim twice at a time."""

from __future__ import annotations

import pytest

from tests.torture.deeds import DEEDS
from tests.torture.faults import FIRST_SECONDS, SHAPES, Fault, Kind, every_process, plan

SECONDS, FAULTS, SEEDS = 20.0, 8, 300


def test_a_seed_says_all_faults() -> None:
    assert plan(7, SECONDS, FAULTS) == plan(7, SECONDS, FAULTS)
    assert plan(7, SECONDS, FAULTS) != plan(8, SECONDS, FAULTS)


def test_every_kind_is_drawn_and_has_a_shape_and_a_deed() -> None:
    drawn = {fault.kind for seed in range(SEEDS) for fault in plan(seed, SECONDS, FAULTS)}
    assert drawn == set(Kind) == set(SHAPES) == set(DEEDS)


def test_faults_come_in_order_and_within_the_load() -> None:
    for seed in range(SEEDS):
        times = [fault.at for fault in plan(seed, SECONDS, FAULTS)]
        assert len(times) == FAULTS
        assert times == sorted(times)
        assert times[0] >= FIRST_SECONDS
        assert times[-1] <= SECONDS


def test_nobody_is_a_victim_twice_at_a_time() -> None:
    for seed in range(SEEDS):
        faults = plan(seed, SECONDS, FAULTS)
        for number, fault in enumerate(faults):
            later = [other for other in faults[number + 1 :] if other.at < fault.at + fault.seconds]
            assert not [other for other in later if _busy(fault) & _busy(other)], seed


def test_several_die_at_once_or_one_alone() -> None:
    faults = [fault for seed in range(SEEDS) for fault in plan(seed, SECONDS, FAULTS)]
    for fault in faults:
        assert len(set(fault.victims)) == len(fault.victims)
        assert (len(fault.victims) > 1) == (fault.kind is Kind.KILL_SEVERAL)


def test_the_short_round_kills_a_process_of_every_kind_once() -> None:
    faults = every_process(7, SECONDS)
    assert sorted(name.split("-")[0] for fault in faults for name in fault.victims) == sorted(
        ["worker", "sink", "producer", "broker", "clickhouse"]
    )
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert faults == every_process(7, SECONDS)


def test_only_the_kinds_asked_for_are_drawn() -> None:
    chosen = [Kind.KILL_BROKER, Kind.CLOCK]
    assert {fault.kind for fault in plan(1, 600.0, 20, chosen)} == set(chosen)


def test_more_faults_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="everybody is busy"):
        plan(1, 10.0, 20, [Kind.KILL_BROKER])
    with pytest.raises(ValueError, match="nothing can be planned"):
        plan(1, FIRST_SECONDS, 1)


def _busy(fault: Fault) -> set[str]:
    return {*fault.victims, *SHAPES[fault.kind].also}
