"""What `tally allowance show` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline import rfc3339
from pipeline.allowance.rows import Alert, Burnt, Cycle, minute, moment, percent
from pipeline.cli import console

_DAY = 86_400
_INSTANTS = ("start", "end", "forecast_at", "exhausted_at", "exhausted_earliest", "exhausted_latest")
_NAMES = {"start": "cycle_start", "end": "cycle_end", "used": "used_as_corrected"}  # as the view has them


class Shown(NamedTuple):
    """An account's cycle, the others, all its alerts, what used the cycle up, and when that was asked."""

    cycle: Cycle
    others: Sequence[Cycle]
    alerts: Sequence[Alert]
    burn: Sequence[Burnt]
    now: int


def show(shown: Shown, limits: tuple[int, int], format_: console.Format) -> None:
    """All of it; `limits`: how many other cycles and how many rows of burn a table shows."""
    if format_ is console.Format.JSON:
        console.facts(_facts(shown))
        return
    cycle = shown.cycle
    under_way = cycle.start <= shown.now < cycle.end
    title = f"{cycle.account_id}: cycle {_span(cycle)}{'' if under_way else ', which is over'}"
    console.table([{"": name, "value": value} for name, value in _standing(cycle)], ["", "value"], title=title)
    alerts = [
        {"at": rfc3339.text(one.occurred_at), "kind": one.kind, "threshold": percent(one.threshold), "used": one.used}
        | {"allowance": one.allowance}
        for one in shown.alerts
        if one.cycle_start == cycle.start
    ]
    if alerts:
        console.table(alerts, list(alerts[0]), title="Alerts of this cycle")
    else:
        console.say("no alert in this cycle")
    if burn := _burn(shown)[: limits[1]]:
        drawn = [{**row, "share": percent(row["share"]), "per_day": f"{row['per_day']:,.1f}"} for row in burn]
        console.table(drawn, list(drawn[0]), title="What used it")
        if len(shown.burn) > len(burn):
            console.say(f"{len(shown.burn) - len(burn):,} more: --burn {len(shown.burn)}")
    if others := [_other(one) for one in shown.others[: limits[0]]]:
        console.table(others, list(others[0]), title="Other cycles")


def _standing(cycle: Cycle) -> list[tuple[str, Any]]:
    """The cycle, line by line; what it has not is left out."""
    late = cycle.used - cycle.used_as_closed
    found: list[tuple[str, Any]] = [
        ("allowance", "none: there is no plan" if cycle.allowance is None else f"{cycle.allowance:,}"),
        ("used", f"{cycle.used:,}" + (f" ({late:,} of it arrived after the cycle's end)" if late else "")),
    ]
    if cycle.allowance is not None:
        found += [("remaining", f"{cycle.remaining:,}"), ("ratio", percent(cycle.ratio))]
    if cycle.forecast is None:
        return [*found, ("forecast", "none yet: it is made at the beginning of each UTC day")]
    band = f"{cycle.forecast:,} ({cycle.forecast_low:,} to {cycle.forecast_high:,})"
    share = f", {percent(cycle.forecast_ratio)}" if cycle.forecast_ratio is not None else ""
    weak = "; low confidence: too little of the cycle has passed" if cycle.low_confidence else ""
    found.append(("forecast", f"{band}{share}, made for {minute(cycle.forecast_at)}{weak}"))
    return [*found, ("exhausted", exhaustion(cycle))]


def exhaustion(cycle: Cycle) -> str:
    """When the allowance is used up, in words."""
    if cycle.allowance is not None and cycle.used >= cycle.allowance:
        return "already"
    when = between(cycle.exhausted_at, cycle.exhausted_earliest, cycle.exhausted_latest)
    return when or "not in this cycle"


def between(expected: int | None, earliest: int | None, latest: int | None) -> str:
    """An instant with its bounds, in words; empty where even the earliest is not within the cycle."""
    if expected is not None:
        last = minute(latest) or "the cycle's end, or not at all"
        return f"{minute(expected)} (between {minute(earliest)} and {last})"
    return f"not expected, but possible from {minute(earliest)} on" if earliest is not None else ""


def _burn(shown: Shown) -> list[dict[str, Any]]:
    """Campaigns, channels and types with their shares, and what they used a day of the cycle so far."""
    cycle = shown.cycle
    days = max(min(shown.now, cycle.end) - cycle.start, _DAY) / _DAY
    total = sum(one.used for one in shown.burn)
    return [{**one._asdict(), "share": one.used / total, "per_day": one.used / days} for one in shown.burn]


def _other(cycle: Cycle) -> dict[str, Any]:
    return {
        "cycle": _span(cycle),
        "allowance": cycle.allowance,
        "used_as_closed": cycle.used_as_closed,
        "used_as_corrected": cycle.used,
        "ratio": percent(cycle.ratio),
    }


def _span(cycle: Cycle) -> str:
    return f"{minute(cycle.start)} to {minute(cycle.end)}"


def plain(cycle: Cycle) -> dict[str, Any]:
    """A cycle with the view's names, instants as text."""
    row = cycle._asdict()
    return {_NAMES.get(name, name): moment(value) if name in _INSTANTS else value for name, value in row.items()}


def _facts(shown: Shown) -> dict[str, Any]:
    alerts = [
        {**one._asdict(), "cycle_start": moment(one.cycle_start), "occurred_at": rfc3339.text(one.occurred_at)}
        for one in shown.alerts
    ]
    is_under_way = shown.cycle.start <= shown.now < shown.cycle.end
    facts = {"account_id": shown.cycle.account_id, "is_under_way": is_under_way, "cycle": plain(shown.cycle)}
    return facts | {"alerts": alerts, "burn": _burn(shown), "other_cycles": [plain(one) for one in shown.others]}
