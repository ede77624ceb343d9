"""The demo's report: what an analyst would ask, and the proof that the numbers are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.clickhouse.recount import Difference, compare
from connectors.clickhouse.service import Service
from pipeline.cli import console
from pipeline.cli.printable import one_line

if TYPE_CHECKING:
    from rich.text import Text

ROWS_MAX = 12  # of a table on a screen
BAR_CELLS = 20

_ENGAGEMENT = """
SELECT account_id AS account, campaign_id AS campaign, channel, sent, delivered, opened, unique_opened, clicked,
  unique_clicked, bounced, unsubscribed, round(100 * open_rate, 1) AS `open %`, round(100 * click_rate, 1) AS `click %`
FROM campaign_engagement WHERE campaign_id != '' ORDER BY events DESC, account, campaign, channel LIMIT {limit:UInt32}
"""
_ALLOWANCE = """
SELECT c.account_id AS account, toDate(c.cycle_start) AS cycle, c.used_as_corrected AS used, c.allowance AS allowance,
  c.ratio AS ratio,
  arrayStringConcat(arrayMap(t -> concat(toString(round(100 * t)), ' %'), a.thresholds), ', ') AS alerts
FROM allowance_cycles AS c
LEFT JOIN (SELECT account_id, cycle_start, arraySort(groupUniqArray(threshold)) AS thresholds
           FROM allowance_alerts GROUP BY account_id, cycle_start) AS a
  ON a.account_id = c.account_id AND a.cycle_start = c.cycle_start
WHERE c.used_as_corrected > 0 ORDER BY c.ratio DESC NULLS LAST, used DESC LIMIT {limit:UInt32}
"""
_REJECTS = """
SELECT reason, count() AS events, any(detail) AS example FROM dead_letters GROUP BY reason ORDER BY events DESC, reason
"""
_CONSERVATION = """
SELECT topic, sum(c.read) AS read, sum(c.accepted) AS accepted, sum(c.duplicates) AS duplicates,
  sum(c.rejected) AS rejected, read - accepted - duplicates - rejected AS unaccounted
FROM conservation AS c GROUP BY topic ORDER BY read DESC
"""


class Verdict(NamedTuple):
    """Whether every number is right: unaccounted events, differences from the recount and from what was published."""

    unaccounted: int
    differences: Sequence[Difference]
    unexpected: Mapping[str, tuple[int, int]]  # fate -> (expected, counted)

    @property
    def is_right(self) -> bool:
        """No number is off."""
        return not (self.unaccounted or self.differences or self.unexpected)


def show(clickhouse: Service, expected: Mapping[str, int], counted: Mapping[str, int]) -> Verdict:
    """Print the report. `expected`: events by fate as the simulator made them; `counted`: as the journal has them."""
    console.table(*_ask(clickhouse, _ENGAGEMENT), title=f"Engagement by campaign and channel (the busiest {ROWS_MAX})")
    rows, columns = _ask(clickhouse, _ALLOWANCE)
    for row in rows:
        row["ratio"] = _bar(row["ratio"])
        row["cycle"] = str(row["cycle"])
    console.table(rows, columns, title="Allowance by account, and the thresholds that have alerted")
    console.table(*_ask(clickhouse, _REJECTS), title="Rejected, by reason: their bytes are in dead_letters")
    conservation, columns = _ask(clickhouse, _CONSERVATION)
    console.table(
        [*conservation, _total(conservation)], columns, title="Conservation: read = accepted + duplicates + rejected"
    )
    verdict = Verdict(
        unaccounted=sum(abs(row["unaccounted"]) for row in conservation),
        differences=compare(clickhouse),
        unexpected={
            fate: (expected.get(fate, 0), counted.get(fate, 0))
            for fate in {**expected, **counted}
            if expected.get(fate, 0) != counted.get(fate, 0)
        },
    )
    _say(verdict, sum(expected.values()))
    return verdict


def _ask(clickhouse: Service, sql: str) -> tuple[list[dict[str, Any]], list[str]]:
    parameters = {"limit": ROWS_MAX} if "{limit" in sql else None
    answer = clickhouse.query(sql, parameters)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows], answer.columns


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    numbers = ("read", "accepted", "duplicates", "rejected", "unaccounted")
    return {"topic": "all", **{name: sum(row[name] for row in rows) for name in numbers}}


def _bar(ratio: float | None) -> str:
    if ratio is None:
        return "no plan"
    full = min(round(ratio * BAR_CELLS), BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {100 * ratio:.0f} %"


def _say(verdict: Verdict, published: int) -> None:
    out = console.console()
    out.print(_line(not verdict.unaccounted, "every event read has one fate", f"{verdict.unaccounted} have none"))
    wrong = "; ".join(f"{fate}: published {want}, counted {got}" for fate, (want, got) in verdict.unexpected.items())
    out.print(_line(not verdict.unexpected, f"the fates of {published:,} published events are as made", wrong))
    off = "; ".join(str(difference) for difference in verdict.differences[:5])
    out.print(_line(not verdict.differences, "the pipeline's numbers equal the recount from the raw rows", off))


def _line(is_right: bool, what: str, wrong: str) -> Text:
    from rich.text import Text

    mark, said = (("✓", "green"), what) if is_right else (("✗", "red"), f"not so: {what} — {wrong}")
    return Text.assemble(mark, f" {one_line(said)}")
