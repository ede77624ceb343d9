"""Past the horizon, where the order of arrival may matter, uniques keep to the bound of docs/decisions/horizon.md."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from tests.oracle.history import identity
from tests.oracle.uniques import Key, facts, kind_of
from tests.oracle.verdict import judge
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.shapes import DENSE, MONTHS

BEYOND = {"months": MONTHS, "dense over months": replace(DENSE, long_gaps=True)}


@every_case(BEYOND, sizes=(12, 24, 40))
def test_each_message_counts_once_and_again_only_where_a_fact_was_forgotten(case: Case) -> None:
    told = running.told(case.history)
    verdict = judge(told, case.rules)
    if len({identity(told[n]) for n in verdict.accepted}) < len(verdict.accepted):
        return  # an identity that was forgotten and came again: rows of two events have one identity
    outcome = running.run(case.history, some_cuts(case.dice(), len(case.history)), case.context)
    ranks = {(told[n]["topic"], told[n]["offset"]): told[n]["rank"] for n in verdict.accepted}
    counted = running.uniques(outcome, ranks)
    may_count: dict[Key, set[int]] = defaultdict(set)
    for (_, key), holders in facts(told, verdict.accepted, case.rules).items():
        may_count[key] |= {told[n]["rank"] for n in holders}
    allowed = {(rank, kind_of(key)) for key, ranks_of in may_count.items() for rank in ranks_of}
    assert set(counted) <= allowed
    for key, ranks_of in may_count.items():
        assert any((rank, kind_of(key)) in counted for rank in ranks_of), key
