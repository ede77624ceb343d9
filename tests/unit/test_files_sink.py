"""Rows that are sent, counted and remembered once acknowledged; and the file that remembers them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from connectors.files import sink
from connectors.files.positions import Position, identity, position
from connectors.files.rows import Rows
from connectors.files.settings import FAULTS_KEPT_MAX, Form
from connectors.files.sink import Import, Window, window
from connectors.files.source import Unreadable
from connectors.files.tables import Row
from connectors.producer.service import Sender, Undelivered
from pipeline.settings_tree import Rules
from tests.plain_vendor import ENDPOINT, reader

DAY_US = 86_400_000_000
NOON = 1_795_003_200_000_000  # 2026-11-18T12:00Z
ALWAYS = Window(0, 1 << 62)


class Kafka:
    """Takes messages; `lost` from the n-th on are never acknowledged."""

    def __init__(self, lost: int = 1 << 30) -> None:
        self.taken: list[bytes] = []
        self.settled = 0
        self._lost = lost

    def send(self, _topic: str, _key: bytes, value: bytes, _received_at: int | None) -> None:
        self.taken.append(value)

    def settle(self) -> None:
        if len(self.taken) > self._lost:
            raise Undelivered("lost")
        self.settled = len(self.taken)


def lines(count: int, at: str = "2026-11-18T12:00:00Z", broken: frozenset[int] = frozenset()) -> Iterator[Row]:
    for number in range(1, count + 1):
        event = {"type": "email_opened", "occurred_at": at, "event_id": f"{number}"}
        yield Row(number, b"{" if number in broken else json.dumps(event).encode())


def run(rows: Iterator[Row], kafka: Kafka | None, at: Position | None, bounds: Window = ALWAYS) -> Import:
    one = Import(reader(), bounds, cast(Sender, kafka), at)
    one.run(Rows(rows, Form.LINES))
    return one


@pytest.fixture
def at(tmp_path: Path) -> Position:
    return position(tmp_path, "export.csv", "0123", ("e1",))


def test_every_row_is_sent_and_the_file_forgotten_at_its_end(at: Position) -> None:
    kafka = Kafka()
    tally = run(lines(5, broken=frozenset({2})), kafka, at).tally
    assert (len(kafka.taken), kafka.settled) == (5, 5)
    assert (tally.rows, tally.types, tally.reasons) == (5, {"email_opened": 4}, {"undecodable": 1})
    assert [(fault.line, fault.reason) for fault in tally.faults] == [(2, "undecodable")]
    assert not at.path.exists()


def test_what_is_remembered_is_acknowledged_and_the_next_run_goes_on_behind_it(
    at: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Undelivered):
        run(lines(9), Kafka(lost=6), at)
    assert at.rows() == 6
    kafka = Kafka()
    tally = run(lines(9), kafka, at).tally
    assert (tally.rows, tally.skipped, len(kafka.taken)) == (9, 6, 3)
    assert at.rows() == 0


def test_a_file_that_is_broken_further_on_is_remembered_up_to_there(at: Position) -> None:
    def broken() -> Iterator[Row]:
        yield from lines(4)
        raise Unreadable("is broken")

    with pytest.raises(Unreadable):
        run(broken(), Kafka(), at)
    assert at.rows() == 4


def test_a_dry_run_sends_and_remembers_nothing_and_begins_at_the_first_row(at: Position) -> None:
    at.save(3)
    tally = run(lines(5), None, at).tally
    assert (tally.rows, tally.skipped, tally.types.total()) == (5, 0, 5)
    assert at.rows() == 3


def test_events_outside_the_window_are_counted_with_their_first_and_last_and_sent(at: Position) -> None:
    bounds = window(Rules(window_days=7, future_minutes_max=5), NOON)
    days = [(-8, 1), (-30, 1), (-7, 0), (0, 0), (1, 0)]
    kafka = Kafka()
    one = Import(reader(), bounds, cast(Sender, kafka), None)
    at_us = [NOON + days * DAY_US - micros for days, micros in days]
    one.run(Rows([_row(moment) for moment in at_us], Form.LINES))
    assert (one.tally.too_late.events, one.tally.too_late.first, one.tally.too_late.last) == (2, at_us[1], at_us[0])
    assert (one.tally.in_the_future.events, one.tally.in_the_future.first) == (1, at_us[4])
    assert len(kafka.taken) == 5


def _row(moment: int) -> Row:
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).isoformat()
    return Row(1, json.dumps({"type": "email_opened", "occurred_at": at}).encode())


def test_all_faults_are_counted_and_a_bounded_number_kept() -> None:
    count = FAULTS_KEPT_MAX + 1
    tally = run(lines(count, broken=frozenset(range(1, count + 1))), None, None).tally
    assert (tally.refused, len(tally.faults)) == (count, FAULTS_KEPT_MAX)


def test_a_position_comes_back_as_it_was_saved(at: Position) -> None:
    assert at.rows() == 0
    at.save(12_345)
    assert at.rows() == 12_345
    assert [path.name for path in at.path.parent.iterdir()] == [at.path.name]
    at.forget()
    at.forget()
    assert at.rows() == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2, "rows": 5}', '{"format": 1, "rows": "5"}', "null"])
def test_a_position_that_says_nothing_begins_anew(at: Position, content: str) -> None:
    at.path.parent.mkdir()
    at.path.write_text(content)
    assert at.rows() == 0


def test_a_position_is_of_all_that_a_row_becomes(tmp_path: Path) -> None:
    table = Rows([], Form.CSV, ",")
    endpoints = [
        dataclasses.replace(ENDPOINT, **{name: "x"}) for name in ("id", "vendor", "account", "source", "event")
    ]
    endpoints.append(dataclasses.replace(ENDPOINT, fields={"email": "Mail"}))
    endpoints.append(dataclasses.replace(ENDPOINT, time_zone="Europe/Berlin"))
    made = [identity(endpoint, table, "utf-8") for endpoint in (ENDPOINT, *endpoints)]
    made += [identity(ENDPOINT, table, "cp1251"), identity(ENDPOINT, Rows([], Form.CSV, ";"), "utf-8")]
    made += [identity(ENDPOINT, Rows([], Form.LINES), "utf-8"), (*made[0], "another topic")]
    paths = {position(tmp_path, "a", whole, one).path for whole in ("0", "1") for one in made}
    assert len(paths) == 2 * len(made)
    same = dataclasses.replace(ENDPOINT, created_at=5, allow=("10.0.0.0/8",))
    assert identity(same, table, "utf-8") == made[0]
