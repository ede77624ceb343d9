"""What `tally plan` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline import rfc3339
from pipeline.allowance import rows
from pipeline.allowance.plan_change import Change, Foretold, Told
from pipeline.allowance.rows import SECOND_US, Cycle
from pipeline.cli import console
from pipeline.cli.printable import one_line
from pipeline.core.accounts import says_the_same
from pipeline.core.record import Plan

_TYPES_SHOWN = 3  # an own list of activities is told by its size beyond that
_FIELDS = ("allowance", "anchor_day", "time_zone", "thresholds", "activities")


class Set(NamedTuple):
    """A plan that was set, or would be; `cycles` as they were before."""

    plan: Plan
    told: Sequence[Told]
    foretold: Foretold
    cycles: Sequence[Cycle]
    dry_run: bool


def tell(one: Set, format_: console.Format) -> None:
    """The plan, what follows from it, and whether it is published."""
    found = [_change(change, one.cycles) for change in one.foretold.changes]
    before, after = ([rfc3339.text(us) for us in span] for span in one.foretold.boundaries)
    if format_ is console.Format.JSON:
        fields = {told.field: {"value": told.value, "from": told.origin} for told in one.told}
        moved = {"before": before, "after": after, "moves": before != after}
        facts = {"account_id": one.plan.account_id, "set_at": rfc3339.text(one.plan.occurred_at), "plan": fields}
        console.facts(
            facts | {"published": not one.dry_run, "holds": one.foretold.holds, "cycle": moved} | {"changes": found}
        )
        return
    console.table(
        [{"field": told.field, "value": _text(told.field, told.value), "from": told.origin} for told in one.told],
        ["field", "value", "from"],
        title=f"Plan of {one.plan.account_id}, set at {rfc3339.text(one.plan.occurred_at)}",
    )
    would = "would" if one.dry_run else "will"
    if found:
        drawn = [_drawn(row) for row in found]
        console.table(drawn, list(drawn[0]), title=f"Cycles that it {would} judge anew")
    else:
        console.say("no cycle is judged anew: no threshold alerts, none is armed again")
    if before != after:
        console.say(f"the cycle of that instant {would} be {' to '.join(after)}, not {' to '.join(before)}:")
        console.say("what was counted stays in its cycle; what arrives from then on goes by the new boundaries")
    if not one.foretold.holds:
        console.say("a plan that was set later than that holds on: this one judges only cycles that ended before it")
    published = "nothing was published (--dry-run)" if one.dry_run else "published: workers go by it within a second"
    console.say(published)


def show(account: str, plans: Sequence[Plan], format_: console.Format) -> None:
    """The plan that holds, then all, the latest first."""
    history = [
        {**_fields(plan), "repeats": number > 0 and says_the_same(plans[number - 1], plan)}
        for number, plan in enumerate(plans)
    ][::-1]
    if format_ is console.Format.JSON:
        console.facts({"account_id": account, "plan": _fields(plans[-1]) if plans else None, "history": history})
        return
    if not plans:
        console.say(f"{one_line(account)} has no plan: it is counted, by months in UTC, and never alerts")
        return
    now = _fields(plans[-1])
    console.table(
        [{"field": name, "value": _text(name, now[name])} for name in (*_FIELDS, "set_at")],
        ["field", "value"],
        title=f"Plan of {account}",
    )
    shown = [{name: _text(name, value) for name, value in row.items()} for row in history]
    console.table(shown, ["set_at", *_FIELDS, "repeats"], title=f"All {len(history):,} plans, the latest first")


def list_(found: Iterable[Sequence[Any]], format_: console.Format) -> None:
    """Accounts with their plans; rows of `statements.plan_list`."""
    listed = []
    total = 0
    for row in found:
        total = int(row[-1])
        known = int(row[-2])
        fields = _fields(rows.plan(row)) if known else dict.fromkeys((*_FIELDS, "set_at"))
        listed.append({"account_id": row[0], **fields, "plans": known})
    if format_ is console.Format.JSON:
        console.facts(listed)
        return
    shown = [{name: _text(name, value) if row["plans"] else value for name, value in row.items()} for row in listed]
    console.table(shown, ["account_id", *_FIELDS, "set_at", "plans"])
    unplanned = sum(1 for row in listed if not row["plans"])
    more = f"; {total - len(listed):,} more with --limit" if total > len(listed) else ""
    console.say(f"{len(listed):,} accounts, {unplanned:,} without a plan{more}")


def _fields(plan: Plan) -> dict[str, Any]:
    return {
        **{name: getattr(plan, name) for name in _FIELDS},
        "set_at": rfc3339.text(plan.occurred_at),
    }


def _text(field: str, value: Any) -> Any:
    if field == "thresholds":
        return _shares(value) or "none"
    if field == "activities":
        if value is None:
            return "the usual list"
        return ", ".join(value) if len(value) <= _TYPES_SHOWN else f"{len(value)} types of its own"
    return value


def _change(change: Change, cycles: Sequence[Cycle]) -> dict[str, Any]:
    """One cycle, before and after."""
    known = next((cycle for cycle in cycles if cycle.start * SECOND_US == change.start), None)
    forecast = known.forecast if known else None
    return {
        "cycle_start": rfc3339.text(change.start),
        "cycle_end": rfc3339.text(change.end),
        "used": change.used,
        "allowance_before": change.before,
        "allowance_after": change.after,
        "ratio_before": change.used / change.before if change.before else None,
        "ratio_after": change.used / change.after,
        "forecast_before": forecast / change.before if forecast is not None and change.before else None,
        "forecast_after": forecast / change.after if forecast is not None else None,
        "alerts_at_once": list(change.fires),
        "armed": list(change.armed),
        "armed_again": list(change.armed_again),
    }


def _drawn(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same, narrow enough for a terminal."""
    allowances = ["none" if one is None else f"{one:,}" for one in (row["allowance_before"], row["allowance_after"])]
    return {
        "cycle": f"{row['cycle_start'][:16]}Z to {row['cycle_end'][:16]}Z",
        "used": row["used"],
        "allowance": " -> ".join(allowances),
        "ratio": _two(row, "ratio"),
        "forecast": _two(row, "forecast"),
        "alerts at once": _shares(row["alerts_at_once"]),
        "armed again": _shares(row["armed_again"]),
        "armed": _shares(row["armed"]),
    }


def _two(row: Mapping[str, Any], name: str) -> str:
    """A ratio before and after."""
    found = [rows.percent(row[f"{name}_{when}"]) for when in ("before", "after")]
    return " -> ".join(one for one in found if one)


def _shares(ratios: Sequence[float]) -> str:
    return ", ".join(f"{one * 100:g} %" for one in ratios)
