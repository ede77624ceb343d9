"""The list of protections fits the sources as they are, its plans can be drawn, and the page says what was noticed."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.torture import protections_page
from tests.torture.faults import plan as drawn
from tests.torture.protections import ROOT, Change, Plan, Protection, Rotten, changed, plans, protections, seeds

FIRST, SEEDS = 7, 20
SHARE_MIN = 0.08  # of seeds for which nobody is asked for twice at a time


@pytest.mark.parametrize("one", protections(), ids=lambda one: one.name)
def test_a_protection_can_be_taken_away_and_leaves_a_program(one: Protection) -> None:
    provoking = plans()[one.plan].changes if one.plan else []
    for path, text in changed([*one.changes, *provoking]).items():
        if path.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize("one", protections(), ids=lambda one: one.name)
def test_a_protection_has_one_witness_that_is_there(one: Protection) -> None:
    assert bool(one.plan) != bool(one.tests)
    assert one.plan in plans() or one.tests
    for test in one.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8")
    assert one.plan or not one.log
    re.compile(one.log)


def test_what_the_guarantee_rests_on_is_in_the_list() -> None:
    names = " ".join(one.name for one in protections())
    for word in ("chain rule", "lock", "contiguity", "intent", "token", "window of the views' targets", "epochs"):
        assert word in names
    assert len({one.name for one in protections()}) == len(protections())
    assert {one.plan for one in protections() if one.plan} == plans().keys()


@pytest.mark.parametrize("plan", plans().values(), ids=lambda plan: plan.name)
def test_a_plan_can_be_drawn_for_most_seeds(plan: Plan) -> None:
    fitting = list(itertools.islice(seeds(plan, FIRST), SEEDS))
    assert fitting[-1] < FIRST + SEEDS / SHARE_MIN
    faults = [fault for seed in fitting for fault in drawn(seed, plan.seconds, plan.faults, plan.kinds)]
    assert len(faults) == SEEDS * plan.faults
    assert {fault.kind for fault in faults} == set(plan.kinds)


def test_a_change_whose_text_is_gone_or_stands_twice_is_rotten(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\na = 1\nb = 2\nc = 3\n", encoding="utf-8")
    both = [Change("a.py", "b = 2", "b = 3"), Change("a.py", "c = 3", "c = 4")]
    assert changed(both, tmp_path) == {"a.py": "a = 1\na = 1\nb = 3\nc = 4\n"}
    for old, new in (("a = 1", "a = 2"), ("d = 1", "d = 2"), ("b = 2", "b = 2")):
        with pytest.raises(Rotten, match=r"a\.py has \d times the text"):
            changed([Change("a.py", old, new)], tmp_path)


def row(taken: str, **fields: Any) -> dict[str, Any]:
    """A result."""
    empty = {"plan": "", "tests": [], "rounds": 0, "seed": 0, "faults": 0, "first": "", "differences": 0, "broken": ""}
    return {"taken": taken, "noticed": bool(fields.get("first")), "commit": "abc"} | empty | fields


def test_the_page_has_the_last_result_of_each_and_says_who_noticed() -> None:
    found = {"plan": "rivals", "rounds": 2, "seed": 8, "faults": 14, "first": "t7x123.events.email, lost | gone"}
    tested = {"tests": ["tests/unit/test_transport_lanes.py"], "first": "tests/unit/t.py::test_a_gap_is_told - assert"}
    page = protections_page.page(
        [
            row("chain rule", plan="rivals", rounds=1, seed=7),
            row("chain rule", **found, differences=30),
            row("contiguity check of a lane", **tested),
            row("nothing", plan="rivals", rounds=2, seed=8, faults=14),
        ]
    )
    assert f"2 of {len(protections())} taken away, 2 noticed." in page
    assert "| rounds: differences | 2 (8) | 14 | events.email, lost / gone | 30 |" in page
    assert "| `unit/test_transport_lanes.py` |  |  | a gap is told |  |" in page
    assert "| rivals | 2 | 14 | 0 | none | abc |" in page


def test_the_page_says_what_nothing_noticed() -> None:
    page = protections_page.page([row("chain rule", plan="rivals", rounds=2, seed=8, faults=14)])
    assert "1 of" in page
    assert "taken away, 0 noticed." in page
    assert "| **nothing** | 2 (8) | 14 |  |  |" in page
