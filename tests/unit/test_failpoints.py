"""Failpoints cost nothing, and nothing of the product arms them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import timeit
from collections import Counter
from pathlib import Path

import pytest

from pipeline.failpoints import Failpoint, reached
from tests.torture.process import Crash, last_words, parsed

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "pipeline/failpoints.py"
PRODUCT = ("pipeline", "connectors", "schemas")
PASSING_S_MAX = 2e-6  # 0.15 µs were measured; a batch passes about ten of them, a fold one a record
CALL = re.compile(r"\breached\(Failpoint\.([A-Z_]+)\)")


def sources() -> dict[str, str]:
    """The product's modules but that of the failpoints."""
    found = (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py") if path != MODULE)
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in found}


def armings(text: str) -> list[int]:
    """Lines that could arm a failpoint: whatever takes more of the module than a place and the passing of it."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ImportFrom(module="pipeline.failpoints", names=names):
                if {name.name for name in names} - {"Failpoint", "reached"}:
                    found.append(node.lineno)
            case ast.ImportFrom(module="pipeline", names=names) if "failpoints" in {name.name for name in names}:
                found.append(node.lineno)
            case ast.Import(names=names) if "pipeline.failpoints" in {name.name for name in names}:
                found.append(node.lineno)
            case ast.Constant(value=str(value)) if "pipeline.failpoints" in value:
                found.append(node.lineno)
    return found


def test_nothing_of_the_product_arms_a_failpoint() -> None:
    assert {name: lines for name, text in sources().items() if (lines := armings(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "from pipeline.failpoints import Failpoint, arm, reached",
        "from pipeline.failpoints import _armed",
        "from pipeline import failpoints, metrics",
        "import pipeline.failpoints as places",
        "importlib.import_module('pipeline.failpoints').arm(print)",
    ],
)
def test_an_arming_is_found(text: str) -> None:
    assert armings("from pipeline.failpoints import Failpoint, reached") == []
    assert armings(text) == [1]


def test_the_module_knows_neither_the_environment_nor_the_settings() -> None:
    nodes = list(ast.walk(ast.parse(MODULE.read_text("utf-8"))))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"__future__", "collections.abc", "enum"}
    assert "import_module" not in MODULE.read_text("utf-8")


def test_every_failpoint_has_its_place_in_the_product_and_none_is_in_the_core() -> None:
    calls = {name: Counter(CALL.findall(text)) for name, text in sources().items()}
    assert set().union(*calls.values()) == {point.name for point in Failpoint}
    assert [name for name, found in calls.items() if found and name.startswith("pipeline/core/")] == []
    assert [
        name for name, text in sources().items() if len(re.findall(r"\breached\(", text)) != calls[name].total()
    ] == []


def test_names_are_unique_and_say_where_and_when() -> None:
    labels = [point.label for point in Failpoint]
    assert len(set(labels)) == len(labels)
    assert [label for label in labels if not re.fullmatch(r"[a-z]+\.[a-z_]+", label)] == []
    assert all(point.moment for point in Failpoint)


def test_passing_a_failpoint_that_is_not_armed_costs_nothing() -> None:
    passing_s = min(timeit.repeat(lambda: reached(Failpoint.BEFORE_APPEND), number=10_000, repeat=5)) / 10_000
    assert passing_s < PASSING_S_MAX


def test_a_process_dies_at_the_passing_that_is_armed_and_not_before(tmp_path: Path) -> None:
    pass_twice = "from pipeline.failpoints import *; reached(Failpoint.APPLIED); print(1); reached(Failpoint.APPLIED)"
    arm = "from tests.torture.process import *; failpoints.arm(Crashes([parsed('agent.applied:2')]).reached);"
    done = subprocess.run(
        [sys.executable, "-uc", f"{arm}{pass_twice}; print(2)"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    assert done.stdout == "1\n"
    assert done.stderr.endswith(last_words(Failpoint.APPLIED))


@pytest.mark.parametrize("text", ["journal.nowhere", "agent.applied:0", "agent.applied:often", ""])
def test_a_crash_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"failpoint|passing|invalid literal"):
        parsed(text)
    assert parsed("agent.applied") == Crash(Failpoint.APPLIED, 1)
