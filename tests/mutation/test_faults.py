"""The list of deliberate faults fits the code as it is, and the page says what the list says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.mutation.faults import ROOT, Fault, Rotten, faults, faulty
from tests.mutation.page import PAGE, page
from tests.mutation.trial import Verdict

FAULTS_MIN = 40
# What decides nothing: names of reasons, fields and columns, and what only carries others.
WITHOUT_RULES = {"__init__", "reasons", "event_schema", "events", "context"}


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_fits_its_file_and_leaves_a_program(fault: Fault) -> None:
    ast.parse(faulty(fault))


def test_every_stage_has_a_fault_and_no_two_share_a_name() -> None:
    every = faults()
    assert len(every) >= FAULTS_MIN
    assert len({fault.name for fault in every}) == len({(f.file, f.old, f.new) for f in every}) == len(every)
    stages = {path.stem for path in (ROOT / "pipeline/core").glob("*.py")}
    assert stages - {fault.file for fault in every} == WITHOUT_RULES


def test_a_fault_whose_text_is_gone_or_stands_twice_is_rotten(tmp_path: Path) -> None:
    core = tmp_path / "pipeline/core"
    core.mkdir(parents=True)
    (core / "window.py").write_text("a = 1\na = 1\nb = 2\n", encoding="utf-8")
    assert faulty(Fault("n", "window", "b = 2", "b = 3", "w"), tmp_path) == "a = 1\na = 1\nb = 3\n"
    for old, new in (("a = 1", "a = 2"), ("c = 1", "c = 2"), ("b = 2", "b = 2")):
        with pytest.raises(Rotten, match="n: its old text stands"):
            faulty(Fault("n", "window", old, new, "w"), tmp_path)


def test_the_page_names_every_fault_of_the_list_and_no_survivor() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z][a-z0-9-]+) \| `(\w+)` \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert [row[:3] for row in rows] == [(fault.name, fault.file, fault.why) for fault in faults()], "run make mutants"
    assert not [
        name for name, _, _, noticed in rows if noticed in ("nothing can", "**nothing**") and f"- {name}: " not in text
    ]


def test_survivors_and_what_is_equivalent_are_told_apart() -> None:
    three = [Fault("a", "window", "", "", "rule a"), Fault("b", "window", "", "", "rule b", "no difference")]
    three.append(Fault("c", "window", "", "", "rule c"))
    told = page(three, [Verdict("a", "tests/unit/test_w.py::test_it_works[3]"), Verdict("b", ""), Verdict("c", "")])
    assert "3 faults, 1 noticed, 1 that no test can notice, 1 survivors." in told
    assert "| a | `window` | rule a | `unit/test_w.py` it works |" in told
    assert "## What no test can notice\n\n- b: no difference\n" in told
    assert "## Survivors\n\n- c: rule c\n" in told
