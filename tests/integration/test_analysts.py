"""docs/analysts.md: each statement is run on generated traffic, and answers what loops over the same events answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.clickhouse.service import parameters
from pipeline.cli import app
from tests.integration.analysts import answers_campaigns, answers_people, answers_time, answers_trust
from tests.integration.analysts.answering import ANSWERS, Given
from tests.integration.analysts.page import PAGE, Question, between, contents, questions
from tests.integration.analysts.page import parameters as described_parameters
from tests.integration.analysts.views import table
from tests.integration.analysts.world import Rows, World

ANSWERED_BY = (answers_campaigns, answers_people, answers_time, answers_trust)
QUESTIONS = {question.name: question for question in questions()}
QUESTIONS_MIN = 20
SEEDS = (1, 2, None)  # None: the run's own
ACCOUNTS = ("acme", "beta", "gamma")

DID = ["email_opened", "email_clicked", "web_page_visited", "crm_purchase"]
USUAL: Given = {
    "from": date(2026, 1, 12),
    "to": date(2026, 2, 27),
    "as_of": datetime(2026, 2, 20, 9, 30, tzinfo=UTC),
    "campaign": "welcome",
    "channel": "email",
    "days": 3,
    "hours": 2,
    "limit": 100,
    "person": "p03",
    "profile": "p03",
    "reason": "too_late",
    "times": 2,
    "type": "email_opened",
    "types": DID,
    "unit": "month",
    "value": Decimal("60.00"),
    "zone": "UTC",
}
# What else a question is asked with, beside the usual parameters.
ALSO: dict[str, list[Given]] = {
    "best-campaigns": [{"times": 7}, {"times": 8}, {"times": 9}],
    "best-time-to-send": [{"zone": "Asia/Kathmandu"}, {"times": 1}],
    "bounces-by-domain": [{"to": date(2026, 2, 25)}],
    "campaign-by-day": [{"campaign": "newsletter"}],
    "dead-letters": [{"limit": 1}, {"reason": "conflicting_duplicate"}, {"reason": "nobody"}],
    "did-at-least": [{"type": "crm_purchase", "times": 1}, {"from": date(2026, 1, 7), "to": date(2026, 1, 7)}],
    "funnel": [
        {"campaign": "viber-deal", "days": 1},
        {"campaign": "newsletter", "days": 30},
        {"campaign": "none-such"},
    ],
    "hours-and-weekdays": [{"zone": "Europe/Berlin"}, {"zone": "America/Sao_Paulo"}],
    "inactive-contacts": [{"days": 20}],
    "last-did-before": [{"type": "email_read"}, {"type": "web_page_visited", "days": 14}],
    "never-did": [{"type": "crm_purchase"}],
    "no-answer": [{"times": 1, "from": date(2026, 2, 10)}],
    "rates-by-campaign": [{"from": date(2026, 1, 7), "to": date(2026, 1, 8)}],
    "rejected-by-reason": [{"account": ""}],
    "repeat-clickers": [{"times": 4}],
    "retention": [{"unit": "week"}],
    "subscriber-growth": [{"to": date(2026, 1, 31)}, {"channel": "sms"}],
    "timeline": [{"types": []}, {"types": [], "limit": 5}],
    "allowance-run-out": [
        {"as_of": datetime(2026, 2, 9, 23, tzinfo=UTC)},
        {"as_of": datetime(2026, 1, 20, tzinfo=UTC)},
    ],
}


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, clickhouse: str, seed: int) -> Iterator[World]:
    """One seed's traffic in ClickHouse."""
    made = World.build(request.param or seed, clickhouse)
    yield made
    made.drop()


def cases(world: World, name: str) -> Iterator[Given]:
    """With what a question is asked: of every account with the usual parameters, of one with each of the others."""
    others = [(account, {}) for account in ACCOUNTS]
    others += zip(ACCOUNTS, ALSO.get(name, ()), strict=False)
    for account, other in others:
        yield USUAL | {"account": account} | _somebody(world, account) | other


def _somebody(world: World, account: str) -> Given:
    """The person with the most profiles, and one of those."""
    sheets = {who: sheet for verdict in world.verdicts.values() for who, sheet in verdict.contacts.items()}
    here = {person: sheet.profiles for (of, person), sheet in sheets.items() if of == account}
    person = max(sorted(here), key=lambda one: len(here[one]))
    return {"person": person, "profile": here[person][0]}


def text(value: Any) -> str:
    """A parameter as it is written behind `tally query --param name=`."""
    if isinstance(value, list):
        return "[" + ", ".join(f"'{one}'" for one in value) + "]"
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)


def asked(world: World, question: Question, given: Given) -> tuple[list[str], Rows]:
    """ClickHouse's answer: columns and rows."""
    written = {name: text(given[name]) for name in question.parameters}
    answer = world.service.query(question.sql, parameters(question.sql, written))
    return answer.columns, answer.rows


def same(found: Any, expected: Any) -> bool:
    """Equal; numbers with a fraction to twelve digits, instants as UTC."""
    if isinstance(expected, datetime) and isinstance(found, datetime):
        return found.replace(tzinfo=found.tzinfo or UTC) == expected
    if isinstance(expected, dict) and isinstance(found, dict):
        return same(sorted(found.items()), sorted(expected.items()))
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=1e-12)
    if isinstance(expected, tuple | list) and isinstance(found, tuple | list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


def test_every_question_has_an_answer_and_every_answer_its_question() -> None:
    assert sorted(QUESTIONS) == sorted(ANSWERS)
    assert len(QUESTIONS) == len(questions()) >= QUESTIONS_MIN


def test_every_question_says_what_its_number_means_and_every_parameter_is_described() -> None:
    described = described_parameters()
    for question in QUESTIONS.values():
        assert question.prose, f"{question.name} says nothing about its number"
        assert question.parameters.items() <= described.items(), (
            f"{question.name} has parameters that are not described"
        )
    used = {name for question in QUESTIONS.values() for name in question.parameters}
    assert used == described.keys(), "parameters are described that no question has"


def test_a_statement_of_the_page_is_answered_by_tally_query(world: World, clickhouse: str) -> None:
    question = QUESTIONS["active-by-week"]
    given = USUAL | {"account": "acme"}
    options = [part for name in question.parameters for part in ("--param", f"{name}={text(given[name])}")]
    environment = {"TALLY_CLICKHOUSE__URL": clickhouse, "TALLY_CLICKHOUSE__DATABASE": world.database}
    command = ["query", "--format", "csv", *options, "-"]
    run = CliRunner().invoke(app.app, command, input=question.sql, env=environment)
    assert run.exit_code == 0, run.output
    rows = [",".join(map(str, row)) for row in ANSWERS["active-by-week"](world, given)]
    assert run.stdout.splitlines() == [",".join(question.columns), *rows]


def test_the_contents_name_every_question() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert between(text, "contents") == contents(text), f"the contents should be\n{contents(text)}"


def test_the_table_of_views_has_their_columns_and_types(world: World) -> None:
    found = table(world.service)
    assert between(PAGE.read_text(encoding="utf-8"), "views") == found, f"the table should be\n{found}"


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_answers_what_loops_over_the_events_answer(world: World, name: str) -> None:
    question, some = QUESTIONS[name], False
    for given in cases(world, name):
        columns, found = asked(world, question, given)
        assert not found or columns == question.columns, f"{name}: its example has other columns than {columns}"
        expected = ANSWERS[name](world, given)
        some = some or bool(expected)
        asked_with = {parameter: given[parameter] for parameter in sorted(question.parameters)}
        assert len(found) == len(expected), f"{name} with {asked_with}: {found} instead of {expected}"
        for number, (row, right) in enumerate(zip(found, expected, strict=True)):
            assert same(row, right), f"{name} with {asked_with}: row {number} is {row} instead of {right}"
    assert some or world.seed not in SEEDS, f"{name}: no traffic has an answer, so nothing was compared"
