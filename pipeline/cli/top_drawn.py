"""What `tally top` draws: one row of an account, and the whole screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.allowance.rows import moment, percent
from pipeline.allowance.standing import Standing, bar
from pipeline.cli.allowance_told import plain
from pipeline.cli.printable import one_line

if TYPE_CHECKING:
    from pipeline.cli.top import Question, Seen

COLUMNS = ["account", "used", "allowance", "", "ratio", "forecast", "exhausted", "24 h", "7 d"]
_NUMBERS = frozenset({"used", "allowance", "ratio", "forecast", "24 h", "7 d"})
_BAR_COLUMNS = 12
_ACCOUNT_COLUMNS = 24
_WARNING, _CRITICAL = 0.8, 1.0  # ratios from which a row is yellow, red
_HELP = "r ratio  u used  f forecast  e exhaustion  b burn  q quit"


def facts(one: Standing) -> dict[str, Any]:
    """A row for scripts."""
    return {**plain(one.cycle), "burn_24h": one.day, "burn_7d_per_day": round(one.week, 3)}


def row(one: Standing) -> dict[str, str]:
    """A row for people."""
    cycle = one.cycle
    weak = " ?" if cycle.low_confidence and cycle.forecast_ratio is not None else ""
    return {
        "account": one_line(cycle.account_id),
        "used": f"{cycle.used:,}",
        "allowance": "" if cycle.allowance is None else f"{cycle.allowance:,}",
        "": bar(cycle.ratio, _BAR_COLUMNS),
        "ratio": percent(cycle.ratio),
        "forecast": percent(cycle.forecast_ratio) + weak,
        "exhausted": _exhausted(one),
        "24 h": f"{one.day:,}",
        "7 d": f"{one.week:,.0f}",
    }


def screen(seen: Seen, question: Question, width: int) -> Group:
    """A title, the table, what is wrong, and the keys."""
    at = time.strftime("%H:%M:%S", time.gmtime(seen.at))
    number = seen.table.accounts if seen.table else 0
    title = f"tally top  {at}Z  {number:,} accounts with a cycle under way  by {question.sort}"
    lines: list[Any] = [Text(title[:width], style="bold", no_wrap=True)]
    if seen.trouble:
        since = f"as of {at}Z, {time.time() - seen.at:.0f} s ago: " if seen.table else ""
        lines.append(Text(one_line(since + seen.trouble)[: width - 1], style="bold red", no_wrap=True))
    if seen.table:
        lines.append(_table(seen.table.standings))
    lines.append(Text(_HELP[:width], style="dim", no_wrap=True))
    return Group(*lines)


def _table(standings: list[Standing]) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in COLUMNS:
        most = _ACCOUNT_COLUMNS if name == "account" else None
        drawn.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True, max_width=most)
    for one in standings:
        drawn.add_row(*(Text(text) for text in row(one).values()), style=_style(one))
    return drawn


def _style(one: Standing) -> str:
    ratio = one.cycle.ratio
    if ratio is None or ratio < _WARNING:
        return "yellow" if one.cycle.exhausted_at and not one.cycle.low_confidence else ""
    return "red" if ratio >= _CRITICAL else "yellow"


def _exhausted(one: Standing) -> str:
    cycle = one.cycle
    if cycle.allowance is not None and cycle.used >= cycle.allowance:
        return "already"
    return (moment(cycle.exhausted_at) or "")[:16].replace("T", " ")
