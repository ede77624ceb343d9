"""The peers' bench: the recount notices whatever is lost, doubled or miscounted, and its traffic can show it."""

from __future__ import annotations

import io
from collections.abc import Callable

import fastavro
import pytest

import schemas
from pipeline.core import vocabulary
from pipeline.core.framing import FRAME_BYTES
from tests.bench.peers.data import enriched_schema
from tests.bench.peers.recount import Differences, Enriched, Event, Sums, Truth, compare, compare_sums, months
from tests.bench.peers.traffic import Traffic

NOW_US = 1_793_145_600_000_000  # 28 October 2026


# ------------------------------------------------------------------------------------------------- the recount


def events() -> list[Event]:
    """Two accounts; `b` opens what `a` has opened already, `c` is a copy of `a`, `d` no activity."""
    first = Event("a", "one", "email_opened", 1, "p", "m")
    return [
        first,
        first._replace(event_id="b"),
        first,
        first._replace(event_id="d", type="email_sent"),
        first._replace(event_id="e", type="email_clicked", account_id="two"),
    ]


def truth() -> Truth:
    found = Truth()
    for offset, event in enumerate(events()):
        found.add(event, ("events.email", 0, offset), event.type != "email_sent")
    return found


def right() -> list[Enriched]:
    a, b, _, d, e = events()
    return [
        Enriched(a, True, False, 1),
        Enriched(b, False, False, 2),
        Enriched(d, False, False, 0),
        Enriched(e, False, True, 1),
    ]


def test_an_output_that_is_right_has_no_differences() -> None:
    assert compare(truth(), right()) == Differences()
    assert compare(truth(), reversed(right())).words == ""
    assert (truth().read, len(truth().first)) == (5, 4)


@pytest.mark.parametrize(
    ("spoil", "off"),
    [
        (lambda rows: rows[:2] + rows[3:], Differences(lost=1)),
        (lambda rows: [*rows, rows[2]], Differences(doubled=1)),
        (lambda rows: rows[1:], Differences(lost=1, opens=1, counts=1)),
        (lambda rows: [*rows, rows[0]], Differences(doubled=1, opens=1, counts=1)),
        (lambda rows: [*rows, rows[2]._replace(event=rows[2].event._replace(event_id="x"))], Differences(strange=1)),
        (lambda rows: [rows[0], rows[1]._replace(unique_open=True), *rows[2:]], Differences(opens=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(unique_open=True)], Differences(opens=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(unique_click=False)], Differences(clicks=1)),
        (lambda rows: [rows[0], rows[1]._replace(activity=1), *rows[2:]], Differences(counts=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(activity=2)], Differences(counts=1)),
    ],
)  # fmt: skip
def test_whatever_is_wrong_in_an_output_is_noticed(
    spoil: Callable[[list[Enriched]], list[Enriched]], off: Differences
) -> None:
    assert compare(truth(), spoil(right())) == off
    assert off.words


def test_differences_are_told_in_words() -> None:
    assert Differences(lost=1_200, doubled=3).words == "1,200 events lost, 3 events twice"


def our_sums() -> Sums:
    sums = Sums()
    sums.places.update(("events.email", 0, offset) for offset in (0, 1, 3, 4))
    sums.opens["one", "email"] = 1
    sums.clicks["two", "email"] = 1
    sums.activities |= {("one", 1): 2, ("two", 1): 1}
    return sums


def test_our_own_journal_is_held_against_the_same_truth() -> None:
    assert compare_sums(truth(), our_sums()) == Differences()


@pytest.mark.parametrize(
    ("spoil", "off"),
    [
        (lambda sums: sums.places.pop(("events.email", 0, 3)), Differences(lost=1)),
        (lambda sums: sums.places.update([("events.email", 0, 3)]), Differences(doubled=1)),
        (lambda sums: sums.places.update([("events.email", 0, 2)]), Differences(strange=1)),
        (lambda sums: sums.opens.update({("one", "email"): 1}), Differences(opens=1)),
        (lambda sums: sums.clicks.clear(), Differences(clicks=1)),
        (lambda sums: sums.activities.update({("two", 1): 2}), Differences(counts=1)),
        (lambda sums: sums.activities.update({("three", 1): 2}), Differences(counts=1)),
    ],
)
def test_whatever_is_wrong_in_our_journal_is_noticed(spoil: Callable[[Sums], object], off: Differences) -> None:
    sums = our_sums()
    spoil(sums)
    assert compare_sums(truth(), sums) == off


def test_months_are_counted_from_1970_in_utc() -> None:
    import numpy as np

    assert months(np.array([0, NOW_US])) == [0, 56 * 12 + 9]


# ------------------------------------------------------------------------------------------------ the traffic


def decoded(count: int, seed: int = 7) -> list[tuple[str, bytes, dict[str, object]]]:
    schema = fastavro.parse_schema(schemas.avro("events/channel.v1.avsc"))
    found = []
    for block in Traffic(seed, count, NOW_US).blocks():
        for topic, records in block.items():
            for record in records:
                body = io.BytesIO(record["value"][FRAME_BYTES:])
                found.append((topic, record["key"], fastavro.schemaless_reader(body, schema, None)))
    return found


def test_the_traffic_is_valid_repeats_by_its_seed_and_has_five_per_cent_of_copies() -> None:
    sent = decoded(10_000)
    known = vocabulary.load().types
    assert len(sent) == 10_000
    for topic, key, event in sent:
        assert known[str(event["type"])].topic == topic
        assert event["account_id"] == key.decode()
    ids = [event["event_id"] for _, _, event in sent]
    assert 0.03 < 1 - len(set(ids)) / len(ids) < 0.07
    assert sent == decoded(10_000)
    assert sent != decoded(10_000, seed=8)


def test_the_traffic_lies_inside_the_acceptance_window() -> None:
    week_us = 7 * 86_400_000_000
    instants = [event["occurred_at"].timestamp() * 1e6 for _, _, event in decoded(4_000)]  # type: ignore[attr-defined]
    assert NOW_US - week_us < min(instants) < max(instants) <= NOW_US


def test_opens_repeat_so_that_a_unique_is_not_just_any_open() -> None:
    opened = [event for _, _, event in decoded(20_000) if str(event["type"]).endswith("_opened")]
    ids = {event["event_id"] for event in opened}
    about = {(e["account_id"], e["profile_id"], e["message_id"]) for e in opened}
    assert 0.2 < 1 - len(about) / len(ids) < 0.6


def test_the_output_has_the_input_and_what_was_found() -> None:
    names = [field["name"] for field in enriched_schema()["fields"]]
    assert names[:-3] == [field["name"] for field in schemas.avro("events/channel.v1.avsc")["fields"]]
    assert names[-3:] == ["unique_open", "unique_click", "activity"]
