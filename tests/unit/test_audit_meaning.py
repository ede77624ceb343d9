"""What a difference means: every kind of one has a sentence, and the sentence accuses the right side."""

from __future__ import annotations

import pytest

from connectors.clickhouse.views import ALLOWANCE, OFFSETS
from pipeline.audit.comparison import Difference, Kind
from pipeline.audit.meaning import meaning, persons_apart

KEY = ("acme", "spring", "email", "2024-03-01")


def difference(counter: str, kind: Kind = Kind.ENGAGEMENT, **values: int | None) -> Difference:
    return Difference(kind, KEY, counter, 0, 7, dict(values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"journal": 1, "view": 2, "recount": 2}, "rows that the journal does not have"),
        ({"journal": 2, "view": 1, "recount": 1}, "lacks rows that the journal has"),
        ({"journal": 1, "state": 1, "view": 2, "recount": 2}, "rows that the journal does not have"),
        ({"journal": 1, "view": 2, "recount": 1}, "the view is off"),
        ({"journal": 1, "view": 1, "recount": 2}, "the raw rows are off"),
        ({"journal": 2, "state": 1, "view": 1, "recount": 1}, "the journal's rows are off"),
        ({"journal": 1, "state": 2, "view": 1, "recount": 1}, "the folded state is off"),
        ({"journal": 1, "state": 2, "view": 3, "recount": 4}, "several computations are off"),
    ],
)
def test_the_side_that_is_off_is_named(values: dict[str, int | None], words: str) -> None:
    assert words in meaning(difference("unique_opened", **values))


def test_uniques_that_only_the_recount_says_otherwise_follow_from_persons_that_differ() -> None:
    unique = difference("unique_opened", journal=1, state=1, view=1, recount=2)
    person = Difference(Kind.PERSONS, ("acme", "p1"), "person", 0, 7, {"state": "p2", "view": "p3"})
    assert "so are the persons" in meaning(unique, persons_apart([unique, person]))
    assert "persons" not in meaning(unique, persons_apart([unique]))


@pytest.mark.parametrize(
    ("counter", "kind", "sides"),
    [
        *((counter, Kind.ALLOWANCE, ("state", "view")) for counter in ALLOWANCE),
        ("alerts", Kind.ALERTS, ("journal", "view")),
        ("occurred_at", Kind.ALERTS, ("journal", "view")),
        ("profiles", Kind.PROFILES, ("view", "recount")),
        ("digest", Kind.PERSONS, ("state", "view")),
        (OFFSETS, Kind.CONSERVATION, ("journal", "recount")),
        ("accepted in engagement", Kind.CONSERVATION, ("journal", "view")),
        ("partitions", Kind.PARTITIONS, ("state", "view")),
    ],
)
def test_two_computations_that_differ_have_a_sentence_too(counter: str, kind: Kind, sides: tuple[str, str]) -> None:
    sentence = meaning(difference(counter, kind, **dict(zip(sides, (1, 2), strict=True))))
    assert " is off" in sentence or "keyed wrongly" in sentence
