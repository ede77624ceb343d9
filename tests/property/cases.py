"""Cases of a property, rolled from the run's seed: several times cheaper than drawn ones.

One that fails is made shorter by leaving records out, and named by a number that repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from pipeline.core.context import Context
from tests.events import context
from tests.oracle.history import Rules
from tests.property.budget import CASE, EXAMPLES, SECONDS, TIMES
from tests.property.histories import canonical, rolled
from tests.property.running import Sent
from tests.property.shapes import BUSY, CONTACTS, DENSE, MONTHS, NEAR, STEADY, Shape

# Small, so that their bounds are met.
SMALL = Rules(unique_days=12, person_profiles_max=3)
SHAPES = {"near": NEAR, "dense": DENSE, "months": MONTHS, "busy": BUSY, "steady": STEADY, "contacts": CONTACTS}
SIZES = (3, 5, 8, 12, 24)  # records; a batch costs more than a record, and a day's end makes a batch
SHORT = SIZES[:3]
_ATTEMPTS_MAX = 300  # at making a failed case shorter


@dataclass(frozen=True)
class Case:
    """A history, and what else may be chosen: each call of `dice` begins with the same chances."""

    number: int
    rules: Rules
    history: list[Sent] = field(repr=False)

    @property
    def context(self) -> Context:
        """The core's, with the case's rules."""
        return context(**self.rules._asdict())

    def dice(self) -> random.Random:
        """Chances of the case's own, besides its history."""
        return random.Random(f"{self.number} besides")


Check = Callable[[Case], None]


def every_case(
    shapes: Mapping[str, Shape] = SHAPES, rules: Rules = SMALL, sizes: Sequence[int] = SIZES
) -> Callable[[Check], Callable[[str, int], None]]:
    """A property over EXAMPLES rolled cases, dealt evenly to the shapes: the check is called with each."""
    each = -(-EXAMPLES // len(shapes))

    def mark(check: Check) -> Callable[[str, int], None]:
        def test(shape: str, seed: int) -> None:
            dice = random.Random(f"{seed} {shape} {check.__name__}")
            numbers = [int(CASE)] if CASE else [dice.randrange(1 << 32) for _ in range(each * TIMES)]
            for number in numbers:
                size = random.Random(number).choice(sizes)
                _hold(check, Case(number, rules, rolled(number, shapes[shape], rules, size)))

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        test.cases = each * len(shapes)  # type: ignore[attr-defined]
        return pytest.mark.timeout(SECONDS * TIMES)(pytest.mark.parametrize("shape", shapes)(test))

    return mark


def some_cuts(dice: random.Random, size: int) -> set[int]:
    """Where a history is cut into batches: nowhere, at a few places, or before every record."""
    few = {dice.randrange(size + 1) for _ in range(dice.choice((0, 0, 1, 2)))}
    return set(range(size)) if dice.randrange(16) == 0 else few


def _hold(check: Check, case: Case) -> None:
    """The check holds for the case, or for the shortest history found that fails the error says why not."""
    try:
        check(case)
        return
    except Exception as error:
        error.add_note(f"repeat it with TALLY_CASE={case.number}, the same -k and shape")
        shortest = shorter(check, case)
        if len(shortest.history) == len(case.history):
            error.add_note(canonical(case.history))
            raise
    try:
        check(shortest)
    except Exception as error:
        error.add_note(f"repeat it with TALLY_CASE={case.number}, the same -k and shape; made shorter, this fails too:")
        error.add_note(canonical(shortest.history))
        raise
    raise AssertionError(f"TALLY_CASE={case.number} fails by chance: it held when it was repeated")


def shorter(check: Check, case: Case) -> Case:
    """The case with as many records left out as the check still fails without."""
    step, attempts = max(1, len(case.history) // 2), 0
    while True:
        at = 0
        while at < len(case.history) and len(case.history) > 1 and attempts < _ATTEMPTS_MAX:
            attempts += 1
            attempt = replace(case, history=case.history[:at] + case.history[at + step :])
            if attempt.history and _fails(check, attempt):
                case = attempt
            else:
                at += step
        if step == 1 or attempts == _ATTEMPTS_MAX:
            return case
        step //= 2


def _fails(check: Check, case: Case) -> bool:
    try:
        check(case)
    except Exception:  # style: whatever it fails with, the case fails; the error is raised in the end
        return True
    return False
