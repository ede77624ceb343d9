"""One trial: a copy of the project with one fault, and the fast tests on it until one fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.mutation.faults import ROOT, Fault, faulty

COPIED = ("pipeline", "connectors", "schemas", "tests", "pyproject.toml")
SEED = 4  # of every trial: hypothesis' and the run's own
EXAMPLES = 60  # of a property, far fewer than in `make test`: a trial is short, and the seed is known to suffice
# Without the tests that count the cases: a copy has fewer.
PROPERTIES = ("tests/property", "--ignore=tests/property/test_budget.py")
UNIT_S, PROPERTY_S = 120, 420  # at most; without a fault 10 and 90 seconds on an idle core

_PYTEST = ("-m", "pytest", "-x", "-q", "--tb=no", "--durations=0", "--durations-min=9999", "-p", "no:cacheprovider")
_NOTICED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)
# A failing example is not made smaller, and none of another trial is tried again.
_NO_SHRINKING = """
hypothesis.settings.register_profile(
    "mutants", hypothesis.settings.get_profile("tally"), phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    database=None,
)
hypothesis.settings.load_profile("mutants")
"""


class Verdict(NamedTuple):
    """What became of a fault: the test that noticed it, or why none did (`test` is empty then)."""

    fault: str
    test: str
    remark: str = ""


def attempt(fault: Fault | None) -> Verdict:
    """Run the fast tests on a copy with the fault in it; without a fault they must pass.

    Raises:
        Rotten: the fault does not fit the code.
    """
    name = fault.name if fault else "no fault"
    changed = faulty(fault) if fault else ""
    with TemporaryDirectory(prefix="tally-mutant-") as folder:
        copy = _copied(Path(folder))
        if fault:
            (copy / fault.path).write_text(changed, encoding="utf-8")
        for tests, seconds in ((_units(fault), UNIT_S), (PROPERTIES, PROPERTY_S)):
            verdict = _run(name, copy, tests, seconds)
            if verdict.test or verdict.remark:
                return verdict
    return Verdict(name, "")


def _copied(folder: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    _change(folder / "tests/property/budget.py", r"^EXAMPLES = \d+$", f"EXAMPLES = {EXAMPLES}")
    _change(folder / "tests/conftest.py", r'^hypothesis\.settings\.load_profile\("tally"\)$', _NO_SHRINKING)
    return folder


def _change(path: Path, line: str, new: str) -> None:
    text, count = re.subn(line, lambda _: new, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count == 1, f"{path.name} has {count} lines like {line}; mend tests/mutation/trial.py"
    path.write_text(text, encoding="utf-8")


def _units(fault: Fault | None) -> list[str]:
    """The unit tests of the core, the fault's own stage first."""
    stages = sorted(path.stem for path in (ROOT / "pipeline/core").glob("*.py"))
    ordered = sorted(stages, key=lambda stage: fault is None or stage != fault.file)
    twins = [path for stage in ordered for path in sorted((ROOT / "tests/unit").glob(f"test_{stage}*.py"))]
    return [path.relative_to(ROOT).as_posix() for path in dict.fromkeys(twins)]


def _run(name: str, copy: Path, tests: Sequence[str], seconds: int) -> Verdict:
    environment = {**os.environ, "TALLY_TEST_SEED": str(SEED), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    for chosen in ("TALLY_EXAMPLES", "TALLY_CASE"):
        environment.pop(chosen, None)
    command = [sys.executable, *_PYTEST, f"--hypothesis-seed={SEED}", *tests]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Verdict(name, "", f"no verdict after {seconds} seconds")
    said = (done.stdout + done.stderr).decode(errors="replace")
    noticed = _NOTICED.search(said)
    if done.returncode == 0 or noticed:
        return Verdict(name, noticed[1] if noticed else "")
    return Verdict(name, "", f"the tests cannot run: {said.strip()[-300:]}")
