"""Histories through real Kafka, two workers, a sink and a real ClickHouse: every view says what the oracle says."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import comparison
from tests.e2e.deployment import SINK, WORKERS, deployed
from tests.e2e.promised import KEYS, Judged
from tests.e2e.recent import RULES
from tests.e2e.world import Views, World, expected
from tests.oracle.history import identity
from tests.oracle.verdict import judge

Rows = list[dict[str, Any]]
Sides = tuple[list[Judged], Views]

PEOPLE = 20  # who are asked for one by one
RANKED = ("person_id", "first_seen", "last_seen", "last_active")
FIRST = re.compile(r"same identity as the event at (\S+) offset (\d+) of this partition, with another payload")


@pytest.fixture(scope="module")
def world(kafka: str, clickhouse: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Histories that were published and sunk; tests may publish more."""
    with deployed(kafka, clickhouse, tmp_path_factory.mktemp("told")) as deployment:
        made = World(deployment, seed, "once")
        made.publish()
        yield made


@pytest.fixture(scope="module")
def sides(world: World) -> Sides:
    """What the oracle says of the histories, and the views' rows; read once."""
    return world.judged(), world.found()


def test_every_view_says_what_the_oracle_says(world: World, sides: Sides) -> None:
    world.assert_equal(*sides)
    assert [view for view in KEYS if not sides[1][view]] == [], "nothing was compared"


@pytest.mark.parametrize("view", KEYS)
def test_a_wrong_column_and_a_row_lost_or_twice_are_found(sides: Sides, view: str) -> None:
    judged, found = sides
    says, (row, *others) = expected(judged, found)[view], found[view]
    before = len(_differences(view, says, found[view]))
    for column in row:
        wrong = _differences(view, says, [row | {column: "wrong"}, *others])
        assert any(f": {column} is 'wrong'" in line for line in wrong) or column in KEYS[view]
        assert len(wrong) > before, column
    assert len(_differences(view, says, others)) > before
    assert len(_differences(view, says, [row, row, *others])) > before


def test_another_order_across_topics_than_the_journal_s_is_found(sides: Sides) -> None:
    judged, found = sides
    lines = comparison.differences(KEYS, expected([_by_topic(one) for one in judged], found), found)
    assert {line.partition(" ")[0] for line in lines} >= {"dead_letters", "engagement_daily", "allowance_alerts"}


def test_the_fast_paths_of_contacts_say_what_the_oracle_says(world: World, sides: Sides) -> None:
    judged, found = sides
    says = expected(judged, found)
    people = random.Random(f"{world.seed} people").sample(says["contacts"], PEOPLE)
    for sheet in people:
        account, person = sheet["account_id"], sheet["person_id"]
        asked = f"(account = '{account}', person = '{person}')"
        assert world.deployment.rows(f"contact_sheet{asked}") == [sheet]
        timeline = world.deployment.rows(f"contact_timeline{asked}")
        theirs = [row for row in says["contact_activity"] if _is_about(row, account, person)]
        assert _differences("contact_activity", theirs, timeline) == []
        assert [row["occurred_at"] for row in timeline] == sorted((row["occurred_at"] for row in theirs), reverse=True)
    for account in {sheet["account_id"] for sheet in people}:
        ranks = world.deployment.rows(f"contact_ranks(account = '{account}')")
        theirs = [
            {name: sheet[name] for name in RANKED} for sheet in says["contacts"] if sheet["account_id"] == account
        ]
        assert _differences("contact_ranks", theirs, ranks, RANKED[:1]) == []


def test_a_conflicting_duplicate_names_the_event_that_it_conflicts_with(sides: Sides) -> None:
    judged, found = sides
    told = {(one.number, e["topic"], e["offset"]): (n, e) for one in judged for n, e in enumerate(one.told)}
    conflicts = [row for row in found["dead_letters"] if row["reason"] == "conflicting_duplicate"]
    for row in conflicts:
        said = FIRST.fullmatch(row["detail"])
        assert said, row["detail"]
        n, first = told[row["partition"], said[1], int(said[2])]
        later, copy = told[row["partition"], row["topic"], row["offset"]]
        assert n < later
        assert identity(first) == identity(copy)
        assert first["body"] != copy["body"]
    assert conflicts


def test_the_same_histories_once_more_change_nothing_but_what_is_refused(world: World, sides: Sides) -> None:
    judged, before = sides
    world.publish()
    again, after = world.judged(), world.found()
    world.assert_equal(again, after)
    refused = {"ingestion_warnings", "dead_letters", "conservation"}
    assert {view for view in KEYS if _sorted(before[view]) != _sorted(after[view])} == refused
    assert _accepted(again) == _accepted(judged)


def test_kills_in_the_middle_change_nothing(kafka: str, clickhouse: str, seed: int, tmp_path: Path) -> None:
    with deployed(kafka, clickhouse, tmp_path) as deployment:
        killed = World(deployment, seed, "kills")
        victims = [*WORKERS, SINK]
        killed.dice.shuffle(victims)
        killed.publish({killed.dice.uniform(0.2, 0.8): name for name in victims})
        killed.assert_equal(killed.judged(), killed.found())


def _by_topic(judged: Judged) -> Judged:
    """As if one topic had been read after the other."""
    both = sorted(zip(judged.arrived, judged.told, strict=True), key=lambda pair: (pair[0].topic, pair[0].offset))
    told = [event for _, event in both]
    return judged._replace(arrived=[arrived for arrived, _ in both], told=told, verdict=judge(told, RULES))


def _differences(view: str, says: Rows, found: Rows, keys: tuple[str, ...] = ()) -> list[str]:
    return comparison.differences({view: keys or KEYS[view]}, {view: says}, {view: found})


def _is_about(row: dict[str, Any], account: str, person: str) -> bool:
    return row["profile_id"] != "" and (row["account_id"], row["person_id"]) == (account, person)


def _sorted(rows: Rows) -> list[str]:
    return sorted(map(repr, rows))


def _accepted(judged: list[Judged]) -> Counter[str]:
    return Counter(one.told[n]["account_id"] for one in judged for n in one.verdict.accepted)
