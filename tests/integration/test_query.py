"""`tally query` against a real engine: answers as CSV, block by block."""

from __future__ import annotations

import itertools
import json

import pytest
from click.testing import Result
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


def asked(url: str, *arguments: str, stdin: str = "") -> Result:
    return RUNNER.invoke(app.app, ["query", *arguments], input=stdin, env={"TALLY_CLICKHOUSE__URL": url, **DATABASE})


def test_parameters_are_taken_as_they_stand_and_lists_in_clickhouse_s_notation(clickhouse: str) -> None:
    sql = "SELECT {text:String} AS t, {day:Date} AS d, {all:Array(String)} AS a, {none:Nullable(UInt8)} AS n"
    values = [r"text=it's 100 % {x} \n a=b", "day=2026-02-28", "all=['it', 'b c']", "none=7"]
    given = [part for value in values for part in ("--param", value)]
    for output in ("json", "csv"):
        run = asked(clickhouse, "--format", output, *given, sql)
        assert run.exit_code == 0, run.output
        if output == "json":
            (row,) = json.loads(run.stdout)
            assert row == {"t": r"it's 100 % {x} \n a=b", "d": "2026-02-28", "a": ["it", "b c"], "n": 7}
        else:
            assert run.stdout == "t,d,a,n\n" + r"""it's 100 % {x} \n a=b,2026-02-28,"[""it"", ""b c""]",7""" + "\n"


def test_a_statement_comes_from_standard_input_and_may_end_in_a_comment(clickhouse: str) -> None:
    sql = "-- how many\nSELECT number AS n FROM numbers({n:UInt8}) WHERE n > 9 -- none\n"
    for output in ("csv", "json", "table"):
        run = asked(clickhouse, "--format", output, "--param", "n=3", "-", stdin=sql)
        assert run.exit_code == 0, run.output
        assert output != "csv" or run.stdout == "n\n"


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ([], 1, "--param NAME=VALUE"),
        (["n"], 2, "--param n: write it as NAME=VALUE"),
        (["=1"], 2, "--param =1: write it as NAME=VALUE"),
        (["n=1", "n=2"], 2, "--param n is there twice"),
        (["n=1", "m=2"], 2, "the statement has no parameter m: it has n"),
        (["n=many"], 1, "many"),
    ],
)
def test_a_parameter_that_does_not_fit_is_told_with_its_name(
    clickhouse: str, given: list[str], code: int, said: str
) -> None:
    options = [part for value in given for part in ("--param", value)]
    run = asked(clickhouse, *options, "SELECT {n:UInt8}")
    assert run.exit_code == code, run.output
    assert said in " ".join(run.output.split())


def test_parameters_without_a_place_in_the_statement_are_refused(clickhouse: str) -> None:
    run = asked(clickhouse, "--param", "n=1", "SELECT '100 %'")
    assert run.exit_code == 2
    assert "it has none; one is written {name:Type}" in " ".join(run.output.split())


def test_only_the_table_writes_out_what_a_terminal_would_obey(clickhouse: str) -> None:
    sql, exact = "SELECT 'a\\x1b[2Jb\\n[/x]' AS `[red]c`", "a\x1b[2Jb\n[/x]"
    chosen = {"TALLY_CLICKHOUSE__URL": clickhouse, **DATABASE}
    drawn, plain = (RUNNER.invoke(app.app, ["query", "--format", f, sql], env=chosen) for f in ("table", "json"))
    assert [line.strip() for line in drawn.stdout.splitlines() if "[" in line] == ["[red]c", r"a\x1b[2Jb\n[/x]"]
    assert json.loads(plain.stdout) == [{"[red]c": exact}]
    assert csv(sql, clickhouse) == f'[red]c\n"{exact}"\n'
