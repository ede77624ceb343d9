"""docs/mutants.md: every fault, and which test notices it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.mutation.faults import Fault
from tests.mutation.trial import EXAMPLES, SEED, Verdict

PAGE = "docs/mutants.md"

_HEAD = """# Deliberate faults, and the tests that notice them

Written by `make mutants`; do not edit. Each fault of `tests/mutation/faults.toml` is put into a copy of the project,
alone, and the core's unit tests run on it, then the property tests (seed {seed}, {examples} cases each, far fewer than
`make test` runs), until one fails. The test named is the first that fails, not the only one.

{count} faults, {noticed} noticed, {equivalent} that no test can notice, {survivors} survivors.

| fault | in | the rule that it breaks | noticed by |
|---|---|---|---|
"""


def page(faults: Sequence[Fault], verdicts: Sequence[Verdict]) -> str:
    """The page; survivors and what is equivalent are said below the table with their reasons."""
    rows = [
        f"| {fault.name} | `{fault.file}` | {fault.why} | {_noticed(fault, verdict)} |"
        for fault, verdict in zip(faults, verdicts, strict=True)
    ]
    noticed = sum(bool(verdict.test) for verdict in verdicts)
    equivalent = [f for f, v in zip(faults, verdicts, strict=True) if f.equivalent and not v.test]
    survivors = [(f, v) for f, v in zip(faults, verdicts, strict=True) if not f.equivalent and not v.test]
    head = _HEAD.format(
        seed=SEED, examples=EXAMPLES, count=len(faults), noticed=noticed, equivalent=len(equivalent),
        survivors=len(survivors),
    )  # fmt: skip
    parts = [head + "\n".join(rows) + "\n"]
    if equivalent:
        parts.append("\n## What no test can notice\n\n" + "".join(f"- {f.name}: {f.equivalent}\n" for f in equivalent))
    if survivors:
        parts.append("\n## Survivors\n\n" + "".join(f"- {f.name}: {v.remark or f.why}\n" for f, v in survivors))
    return "".join(parts)


def _noticed(fault: Fault, verdict: Verdict) -> str:
    if verdict.test:
        file, _, test = verdict.test.partition("::")
        return f"`{file.removeprefix('tests/')}` {test.partition('[')[0].removeprefix('test_').replace('_', ' ')}"
    return "nothing can" if fault.equivalent else "**nothing**"
