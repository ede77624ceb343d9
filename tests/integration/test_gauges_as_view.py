"""Prometheus and ClickHouse say the same of an account: gauges and view, from the same random cycles and forecasts."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.core.accounts import Cycle
from pipeline.core.forecast import Forecast
from pipeline.core.record import Plan
from pipeline.settings import load
from pipeline.telemetry.numbers import SECOND_US, numbers

CASES = 400
START = 1_790_812_800  # 2026-10-01
DAY = 86_400


class Case(NamedTuple):
    """One account's cycle, as the state has it."""

    account: str
    cycle: Cycle
    allowance: int


@pytest.fixture
def service(clickhouse: str, tmp_path: Path) -> Iterator[Service]:
    settings = {
        "TALLY_HOME": str(tmp_path),
        "TALLY_CLICKHOUSE__URL": clickhouse,
        "TALLY_CLICKHOUSE__DATABASE": f"g{uuid.uuid4().hex[:10]}",
    }
    found = Service(target(load({}, settings, tmp_path)), 60)
    migrations.apply(found, migrations.find(found))
    yield found
    found.command(f"DROP DATABASE IF EXISTS {found.target.database}")
    found.close()


def cases(chance: random.Random) -> list[Case]:
    """Small numbers, where bounds are met, and large ones, where doubles round."""
    made = []
    for n in range(CASES):
        most = chance.choice([12, 1000, 10**9, 10**14])
        allowance, then = chance.randint(1, most), chance.randint(0, most)
        used = chance.choice([then, then + chance.randint(0, most // 4 + 1), allowance, allowance - 1])
        expected = then + chance.choice([0, abs(allowance - then), abs(allowance - then) + 1, chance.randint(0, most)])
        made_at = (START + chance.randint(0, 29) * DAY) * SECOND_US
        account = f"a{n}"
        foreseen = Forecast(account, START * SECOND_US, made_at, then, then, expected, expected + 5, True)
        end = (START + 30 * DAY) * SECOND_US
        made.append(Case(account, Cycle(end, used, used, frozenset(), False, {}, foreseen), allowance))
    return made


def insert(service: Service, made: list[Case]) -> None:
    """As the sink would."""
    cycles, forecasts = [], []
    for account, cycle, allowance in made:
        f = cycle.foreseen
        assert f is not None
        end, made_at = cycle.end // SECOND_US, f.made_at // SECOND_US
        cycles.append(f"('{account}', {START}, {end}, {cycle.used}, {cycle.used}, {allowance}, 1)")
        forecasts.append(
            f"('{account}', {START}, {made_at}, {f.used}, {f.low}, {f.expected}, {f.high}, {f.confident}, 1)"
        )
    name = service.target.database
    columns = "account_id, cycle_start, cycle_end, used, used_as_closed, allowance, version"
    service.command(f"INSERT INTO {name}.allowance ({columns}) VALUES {', '.join(cycles)}")
    columns = "account_id, cycle_start, made_at, used, low, expected, high, confident, version"
    service.command(f"INSERT INTO {name}.forecasts ({columns}) VALUES {', '.join(forecasts)}")


def test_gauges_and_view_say_the_same(service: Service, seed: int) -> None:
    made = cases(random.Random(seed))
    insert(service, made)
    answer = service.query(
        "SELECT account_id, used_as_corrected, remaining, ratio, forecast_ratio, toUnixTimestamp(exhausted_at)"
        f" FROM {service.target.database}.allowance_cycles"
    )
    found = {account: rest for account, *rest in answer.rows}
    wanted = {}
    for account, cycle, allowance in made:
        plan = Plan(account, allowance, 1, "UTC", (0.8,), None, 0, 1)
        n = numbers(account, cycle, plan)
        wanted[account] = [n.used, allowance - n.used, n.ratio, n.forecast_ratio, n.exhausted_at]
    assert found == wanted
    assert {rest[-1] is None for rest in found.values()} == {True, False}, "both kinds of lines are met"
