"""Copies of a commit's sources in which something was changed, and what a round of torture or a test says of them.

A copy is a whole project of its own: rounds and tests run in a process that starts there, with the same Python.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.torture.evidence import ROUNDS
from tests.torture.protections import ROOT, Change, Plan, changed

COPIED = ("pipeline", "connectors", "schemas", "tests", "pyproject.toml")
ROUND_SECONDS = 600.0  # of one round with its broker and engine, at most: 60 to 150
TEST_SECONDS = 300.0
SAID = 400  # characters of what a run said that broke off
TEST_SEED = 5  # of every witness that is a test

_PYTEST = ("-m", "pytest", "-x", "-q", "--tb=line", "-p", "no:cacheprovider")
_FAILED = re.compile(r"^FAILED (.+?)$", re.MULTILINE)


class BrokenOff(RuntimeError):
    """A round or a test could not be run to its end: it says nothing about what was taken away."""


class Outcome(NamedTuple):
    """What one round came to: its differences, how many faults were done, the lines of logs that were looked for."""

    seed: int
    seconds: float
    faults: int
    differences: list[str]
    lines: list[str]


class Copy:
    """A commit's sources in a folder, with some changes made."""

    def __init__(self, folder: Path, commit: str, changes: Iterable[Change]) -> None:
        """Make it anew.

        Raises:
            Rotten: a change does not fit.
        """
        self.folder = folder.resolve()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        packed = subprocess.run(["git", "archive", commit, *COPIED], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(self.folder, filter="data")
        for path, text in changed(changes, self.folder).items():
            (self.folder / path).write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def round(self, plan: Plan, seed: int, log: str = "") -> Outcome:
        """One round of torture of that seed under a plan; `log` is a pattern to look for in its processes' logs.

        Raises:
            BrokenOff
        """
        rounds = self.folder / ".torture"
        options = ["--rounds", "1", "--seed", str(seed), "--seconds", str(plan.seconds), "--faults", str(plan.faults)]
        for kind in plan.kinds:
            options += ["--kind", kind.value]
        options += ["--folder", str(rounds), "--evidence", str(rounds), "--keep"]
        said = self._run(["-m", "tests.torture", *options], ROUND_SECONDS)
        rows = [json.loads(line) for line in _text(rounds / ROUNDS).splitlines()]
        told = [row for row in rows if row["seed"] == seed]
        if not told:
            raise BrokenOff(f"the round of seed {seed} broke off: {said[-SAID:].strip()}")
        at = rounds / f"round-{seed}"
        lines = _matching(at, log) if log else []
        differences = _text(at / "differences.txt").splitlines()
        return Outcome(seed, told[-1]["seconds"], sum(told[-1]["faults"].values()), differences, lines)

    def test(self, tests: Sequence[str]) -> str:
        """The first of the tests that fails; empty where all pass.

        Raises:
            BrokenOff
        """
        said = self._run([*_PYTEST, *tests], TEST_SECONDS)
        failed = _FAILED.search(said)
        if failed is None and not re.search(r"^\d+ passed", said, re.MULTILINE):
            raise BrokenOff(f"the tests broke off: {said[-SAID:].strip()}")
        return failed[1] if failed else ""

    def _run(self, command: Sequence[str], seconds: float) -> str:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        own = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "TALLY_TEST_SEED": str(TEST_SEED)}
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=self.folder,
                env=plain | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BrokenOff(f"no end after {seconds:g} s") from error
        return done.stdout.decode(errors="replace")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _matching(folder: Path, pattern: str) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{path.stem}: {line}"
        for path in sorted(folder.glob("*.log"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if wanted.search(line)
    ]
