"""`tally top`: a live table of accounts in a terminal; one table for scripts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from pipeline.allowance.statements import Sort
from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from pipeline.allowance.standing import Table
    from pipeline.cli.keys import Keys

QUERY_SECONDS_MAX = 20  # of one look: a live table that lags longer is none
LIMIT = 20
_LINES_AROUND = 7  # of a screen: title, head, lines, footer
_KEYS = {sort.value[0]: sort for sort in Sort}  # r, u, f, e, b
_QUIT = "q"


class Question(NamedTuple):
    """Which accounts, in which order, at most how many."""

    sort: Sort
    pattern: str
    limit: int


class Seen(NamedTuple):
    """What the last look that was answered found, when, and what is wrong since."""

    table: Table | None
    at: float
    trouble: str = ""


def top(  # style: a command's options are its parameters
    sort: Annotated[Sort, typer.Option("--sort", help="What comes first.")] = Sort.RATIO,
    account: Annotated[
        str, typer.Option("--account", metavar="PATTERN", help="Accounts; * and ? stand for anything.")
    ] = "*",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Accounts at most.")] = LIMIT,
    interval: Annotated[
        float, typer.Option("--interval", min=0.5, max=3600, metavar="SECONDS", help="Between two looks.")
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, print and end; so it is without a terminal.")
    ] = False,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print; json looks once.")] = (
        console.Format.TABLE
    ),
) -> None:
    """Accounts with a cycle under way: used, allowance, ratio, forecast, exhaustion, and what they burn a day.

    Burn is what was used within the last 24 hours, and a day's mean of the last seven. A ? behind the forecast means
    low confidence. While it is live, the keys r, u, f, e and b sort by ratio, used, forecast, exhaustion and burn; q or
    Ctrl-C ends it. When ClickHouse goes away, the last table stays and the first line says so, until it is back.

    Exit codes: 0 done, 1 ClickHouse failed (live: only where it refused), 2 a wrong option.

    Examples:

      tally top

      tally top --sort exhaustion --account 'shop-*'

      tally top --once --format json --limit 100 --sort burn
    """
    from connectors.clickhouse.settings import target
    from pipeline.cli.clickhouse import connected
    from pipeline.settings import load

    question = Question(sort, account, limit)
    if once or format_ is console.Format.JSON or not (sys.stdout.isatty() and sys.stdin.isatty()):
        with connected(QUERY_SECONDS_MAX, database=True) as service:
            _print(look(service, question), format_)
        return
    place = target(load())
    with connected(QUERY_SECONDS_MAX, database=True) as service:
        try:
            _live(service, question, interval, place.address)
        except KeyboardInterrupt:
            return


def look(service: Service, question: Question) -> Table:
    """The table as ClickHouse has it now.

    Raises:
        Unavailable, Refused
    """
    from pipeline.allowance import standing, statements

    now = int(time.time())
    given = {"now": now, "account": statements.like(question.pattern), "limit": question.limit}
    given["left"] = standing.left_behind(service.query(statements.OVERLAPPING, given).rows, now)
    found = service.query(statements.standing(question.sort), given).rows
    accounts = [row[0] for row in found]
    burnt = service.query(statements.RECENT, {"now": now, "accounts": accounts}).rows if accounts else []
    return standing.table(list(found), standing.recent(burnt))


def _live(service: Service, question: Question, interval: float, address: str) -> None:
    """Until q or an interrupt; whatever ends it, the terminal is as it was."""
    from rich.live import Live

    from pipeline.cli import top_drawn
    from pipeline.cli.keys import Keys

    seen = Seen(None, time.time(), f"asking ClickHouse at {address}")
    with Keys() as keys, Live(console=console.console(), screen=True, auto_refresh=False) as live:
        while True:
            height = console.console().size.height - _LINES_AROUND
            asked = question._replace(limit=max(1, min(question.limit, height)))
            live.update(top_drawn.screen(seen, asked, console.console().size.width), refresh=True)
            seen = _again(service, asked, seen)
            live.update(top_drawn.screen(seen, asked, console.console().size.width), refresh=True)
            goes_on, sort = _chosen(keys, interval)
            if not goes_on:
                return
            question = question._replace(sort=sort or question.sort)


def _again(service: Service, question: Question, before: Seen) -> Seen:
    """Another look; while ClickHouse is away, the last one with what is wrong."""
    from connectors.clickhouse.service import Unavailable

    try:
        return Seen(look(service, question), time.time())
    except Unavailable as error:
        return before._replace(trouble=f"{error}; asking again")


def _chosen(keys: Keys, interval: float) -> tuple[bool, Sort | None]:
    """Waits for the next look or for a key: whether it goes on, and the sort that was asked for."""
    deadline = time.monotonic() + interval
    while (left := deadline - time.monotonic()) > 0:
        key = keys.pressed(left)
        if key == _QUIT:
            return False, None
        if key in _KEYS:
            return True, _KEYS[key]
    return True, None


def _print(table: Table, format_: console.Format) -> None:
    from pipeline.cli import top_drawn

    if format_ is console.Format.JSON:
        console.facts([top_drawn.facts(one) for one in table.standings])
        return
    rows: list[dict[str, Any]] = [top_drawn.row(one) for one in table.standings]
    console.table(rows, top_drawn.COLUMNS)
    more = table.accounts - len(rows)
    console.say(
        f"{table.accounts:,} accounts with a cycle under way" + (f"; {more:,} more with --limit" if more else "")
    )
