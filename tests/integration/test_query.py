"""`tally query` against a real engine: answers as CSV, block by block."""

from __future__ import annotations

import itertools

import pytest
from typer.testing import CliRunner

from connectors.clickhouse.service import Refused, Service
from connectors.clickhouse.settings import target
from pipeline.cli import app
from pipeline.settings import load

SECONDS_MAX = 60
RUNNER = CliRunner()


def csv(sql: str, url: str) -> str:
    run = RUNNER.invoke(app.app, ["query", "--format", "csv", sql], env={"TALLY_CLICKHOUSE__URL": url, **DATABASE})
    assert run.exit_code == 0, run.output
    return run.stdout


DATABASE = {"TALLY_CLICKHOUSE__DATABASE": "default"}


def test_csv_holds_every_row_and_the_columns_even_without_rows(clickhouse: str) -> None:
    assert csv("SELECT number AS n FROM numbers(200000)", clickhouse).splitlines() == ["n", *map(str, range(200_000))]
    assert csv("SELECT number AS n, 'a' AS b FROM numbers(0)", clickhouse) == "n,b\n"
    assert csv("SELECT map('a', 'b') AS m, true AS t", clickhouse) == 'm,t\n"{""a"": ""b""}",true\n'


def test_an_answer_larger_than_memory_comes_in_blocks(clickhouse: str) -> None:
    service = Service(target(load({"clickhouse.url": clickhouse})), SECONDS_MAX)
    blocks = list(itertools.islice(service.blocks("SELECT number FROM numbers(1000000)"), 3))
    assert blocks[0].rows == []
    assert 0 < len(blocks[1].rows) < 1_000_000
    with pytest.raises(Refused):
        list(service.blocks("SELECT nonsense"))
    service.close()
