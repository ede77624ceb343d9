"""Who takes a fact over from whom, batch after batch."""

from __future__ import annotations

import pytest

from pipeline.core.record import Record
from tests.events import NOON_US, event
from tests.partition import Partition, corrections_of, events_of

OPENED = {"profile_id": "p", "message_id": "m"}


def identity(record: Record) -> int:
    """Of the one event of a batch."""
    (found,) = record.identities.tolist()
    return int(found)


def taken_from(record: Record) -> list[int]:
    """The identities whose uniqueness a batch takes back."""
    return [row["corrects"] for row in corrections_of(record) if row["unique_open"] == -1]


def test_a_correction_names_the_event_that_held_the_fact_last() -> None:
    partition = Partition()
    latest, earlier, earliest = (
        partition.send(event("email_opened", occurred_at=NOON_US - n, **OPENED)) for n in range(3)
    )
    assert taken_from(earlier) == [identity(latest)]
    assert taken_from(earliest) == [identity(earlier)]
    assert corrections_of(earliest)[0]["occurred_at"] == NOON_US - 1


@pytest.mark.parametrize("together", [("p", "p"), ("p", "q")], ids=["one profile", "two profiles of a person"])
def test_of_two_events_at_one_time_the_smaller_identity_holds_the_fact(together: tuple[str, str]) -> None:
    ids = ("1", "2")
    rank = {n: identity(Partition().send(event("email_opened", event_id=n, **OPENED))) for n in ids}
    smaller, larger = sorted(ids, key=rank.__getitem__)
    for order, is_taken_over in (((larger, smaller), True), ((smaller, larger), False)):
        partition = Partition()
        partition.send(event("profile_merged", sources=["q"], target="p"))
        _, second = (
            partition.send(event("email_opened", event_id=n, profile_id=profile, message_id="m"))
            for n, profile in zip(order, together, strict=True)
        )
        assert events_of(second)[0]["unique_open"] == int(is_taken_over)
        assert taken_from(second) == ([rank[larger]] if is_taken_over else [])
