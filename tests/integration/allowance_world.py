"""Accounts around now, decided by the core and inserted into a database of its own: what the allowance commands read.

`acme` has a plan, a forecast and campaigns; `over` has used up its allowance; `free` has no plan; `quiet` has a plan
and nothing else; `moved` got a plan only just, by which its cycle is another one than until then. The cycle under way
of those with a plan began twelve days ago.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.clickhouse import migrations
from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.cli import app, console
from pipeline.core.record import decode
from pipeline.settings import load
from tests.events import context, event, frame, plan, topic_of
from tests.property import running
from tests.property.running import Sent

DAY = 86_400
BEGIN_DAYS = 45  # of history, before the cycle under way too
CYCLE_DAYS = 12  # that it has lasted
DAILY = 10  # activities of acme without a campaign, every day
OVER = 30  # the allowance of `over`, which uses 3 a day
ACME = 700  # the allowance of acme, which uses 10 a day, and more by campaigns
SECONDS_MAX = 60
BATCH = 97  # events; odd, so that days and batches do not coincide

# Campaigns of acme: how many days ago each began, its messages, and how many opens it got on which day since.
CAMPAIGNS = {
    "news-1": (40, 100, (30, 10, 5)),
    "news-2": (30, 200, (64, 22, 8)),
    "news-3": (20, 100, (36, 8, 4)),
    "promo": (25, 50, (40, 10)),
    "today": (0, 10, ()),
}


class Maker:
    """Events in the order in which they arrive, a second after they occurred."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.sent: list[tuple[int, dict[str, Any]]] = []

    def say(self, type_: str, at: float, **fields: Any) -> None:
        """One event at a second since 1970; never later than now."""
        us = int(min(at, self.now - 2)) * 1_000_000
        number = f"e{len(self.sent)}"
        self.sent.append((us, event(type_, occurred_at=us, event_id=number, **fields)))

    def set_plan(self, at: float, allowance: int, anchor_day: int, **fields: Any) -> None:
        """A plan in UTC."""
        us = int(at) * 1_000_000
        self.sent.append((us, plan(allowance, anchor_day=anchor_day, occurred_at=us, **fields)))

    def history(self) -> list[Sent]:
        """What the topics get."""
        ordered = sorted(self.sent, key=lambda one: one[0])
        return [Sent(topic_of(e["type"]), us // 1000 + 1000, frame(e), e) for us, e in ordered]


def midnight(seconds: int) -> int:
    """The UTC day's first second."""
    return seconds - seconds % DAY


def anchor(now: int) -> int:
    """The day of the month on which the cycle under way began."""
    return datetime.fromtimestamp(midnight(now) - CYCLE_DAYS * DAY, UTC).day


def history(now: int) -> list[Sent]:
    """See the module."""
    made, begin = Maker(now), midnight(now) - BEGIN_DAYS * DAY
    for account, allowance in (("acme", ACME), ("over", OVER), ("quiet", 5)):
        made.set_plan(begin + 60 if account != "quiet" else now - 60, allowance, anchor(now), account_id=account)
    for day in range(begin, now, DAY):
        for number in range(DAILY):
            made.say("email_opened", day + 3600 + number * 4000, account_id="acme", profile_id=f"p{day}-{number}")
        for number in range(3):
            made.say("sms_sent", day + 3600 + number, account_id="over", profile_id=f"p{number}", campaign_id="daily")
        made.say("email_opened", day + 5, account_id="free", profile_id="p")
    for name, (ago, messages, opens) in CAMPAIGNS.items():
        _campaign(made, name, now - ago * DAY - 3600, messages, opens)
    for age in (20, 3):  # by months in UTC at first; the plan moved the boundaries, and nothing has happened since
        made.say("email_opened", now - age * DAY, account_id="moved", profile_id="p")
    made.set_plan(now - 120, 100, anchor(now), account_id="moved")
    made.say("web_page_visited", now - 3, account_id="acme", profile_id="last")
    return made.history()


def _campaign(made: Maker, name: str, began: int, messages: int, opens: tuple[int, ...]) -> None:
    fields = {"account_id": "acme", "campaign_id": name}
    for number in range(messages):
        made.say("email_sent", began + number / 10, profile_id=f"{name}-{number}", **fields)
    for age, count in enumerate(opens):
        for number in range(count):
            at = began + age * DAY + 1800 + number
            made.say("email_opened", at, profile_id=f"{name}-{number}", message_id=f"{name}-{age}", **fields)


@contextmanager
def built(clickhouse: str) -> Iterator[Service]:
    """A database with all of it, dropped at the end."""
    database = f"allowance_{uuid.uuid4().hex[:8]}"
    place = target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}))
    service, made = Service(place, SECONDS_MAX, database), Service(place, SECONDS_MAX)
    try:
        migrations.apply(made, migrations.find(made))
        sent = history(int(time.time()))
        outcome = running.run(sent, range(0, len(sent), BATCH), context())
        assert running.rejected(outcome) == {}
        decided = [Decided(offset, decode(value)[1]) for offset, value in enumerate(outcome.journal)]
        for table, content in translate(0, decided).items():
            service.insert(table, content.columns, content.stream, f"all {table}")
        yield service
    finally:
        made.command(f"DROP DATABASE IF EXISTS {database}")
        made.close()
        service.close()


def tally(*arguments: str) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(app.app, list(arguments))


def facts(*arguments: str) -> Any:
    """What a command that succeeds prints as JSON."""
    run = tally(*arguments, "--format", "json")
    assert run.exit_code == console.Exit.OK, run.output
    return json.loads(run.stdout)


def said(run: Result) -> str:
    """Its words, whatever the width of the terminal."""
    return " ".join(run.output.split())


# ---------------------------------------------------------- a module's fixtures: `environment = pytest.fixture(placed)`


def reading(clickhouse: str) -> Iterator[Service]:
    """The world, read through one connection; of a module's scope."""
    with built(clickhouse) as made:
        yield made


def placed(service: Service, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where the commands look."""
    chosen = {"TALLY_CLICKHOUSE__URL": service.target.address, "TALLY_CLICKHOUSE__DATABASE": service.target.database}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return chosen
