"""What `tally allowance what-if` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.allowance.like import Campaign
from pipeline.allowance.rows import Cycle, minute, moment, percent
from pipeline.allowance.what_if import Band, Outcome, Sending
from pipeline.cli import console
from pipeline.cli.allowance_told import between, plain
from pipeline.cli.printable import one_line

_CAMPAIGNS_SHOWN = 10
_TYPES_SHOWN = 8


class Basis(NamedTuple):
    """A planned sending, as it was asked for, and the campaigns that its curve is of."""

    pattern: str
    sending: Sending
    campaigns: Sequence[Campaign]


class Answer(NamedTuple):
    """What comes of the sendings, and what would come without them."""

    cycle: Cycle
    outcome: Outcome
    without: Outcome
    basis: Sequence[Basis]
    now: int


def tell(answer: Answer, format_: console.Format) -> None:
    """The answer in words and numbers, and what it is based on."""
    if format_ is console.Format.JSON:
        console.facts(_facts(answer))
        return
    with_, without = _numbers(answer, answer.outcome), _numbers(answer, answer.without)
    console.console().print(f"{one_line(answer.cycle.account_id)} {verdict(answer)}")
    console.table([{"": "with it", **with_}, {"": "without it", **without}], ["", *with_])
    for basis in answer.basis:
        _tell_basis(basis, answer.now)
    for note in notes(answer):
        console.say(one_line(note))


def verdict(answer: Answer) -> str:
    """One sentence: whether and when the allowance is used up."""
    outcome, allowance = answer.outcome, answer.cycle.allowance or 0
    shares = f"{_share(outcome.used.expected, allowance)} ({_band(outcome.used, allowance)})"
    if answer.cycle.forecast is None:
        return _without_forecast(answer, shares)
    if answer.cycle.used >= allowance:
        return f"has used up its allowance already; with the sending it ends at {shares}"
    if outcome.exhausted_at is not None:
        when = between(outcome.exhausted_at, outcome.earliest, outcome.latest)
        return f"exhausts its allowance on {when}; it ends at {shares}"
    maybe = "" if outcome.earliest is None else f"; it may be exhausted, from {minute(outcome.earliest)} on"
    return f"stays at {shares} of its allowance{maybe}"


def _without_forecast(answer: Answer, shares: str) -> str:
    known = f"has no forecast yet: what is used now and the sending alone come to {shares}"
    if answer.cycle.used >= (answer.cycle.allowance or 0):
        return f"has used up its allowance already; it {known}"
    if answer.outcome.exhausted_at is not None:
        when = between(*answer.outcome[3:])
        return f"exhausts its allowance on {when}; it {known}"
    maybe = (
        "" if answer.outcome.earliest is None else f"; it may be exhausted, from {minute(answer.outcome.earliest)} on"
    )
    return f"{known} of its allowance{maybe}"


def notes(answer: Answer) -> list[str]:
    """What the reader must know to trust the numbers, or not to."""
    cycle, found = answer.cycle, []
    if cycle.forecast is None:
        found.append("no forecast was made of this cycle as yet: only what is used and the sending are in the numbers")
    elif cycle.low_confidence:
        found.append("the forecast deserves low confidence: too little of the cycle has passed")
    if answer.outcome.behind:
        found.append(f"{answer.outcome.behind:,} activities more come after the cycle's end: they use up the next one")
    for one in answer.basis:
        days = len(one.sending.curve.daily)
        left = (cycle.end - one.sending.at + 86_399) // 86_400
        if one.sending.curve.spread is None:
            found.append(
                f"{one.pattern}: a single like campaign tells nothing of how much they differ: too narrow a band"
            )
        if days < left:
            found.append(f"{one.pattern}: known for {days} days since it began; what comes later is not in the numbers")
        if long := [c.campaign_id for c in one.campaigns if c.sent_days > 3]:
            found.append(
                f"{one.pattern}: {long[0]} was sent over more than three days; its days are not those of one sending"
            )
    return found


def _tell_basis(basis: Basis, now: int) -> None:
    curve = basis.sending.curve
    spread = "unknown" if curve.spread is None else f"{curve.spread * 100:.0f} %"
    title = f"--send {basis.pattern}: {curve.total:.3f} activities per recipient in whole days, spread {spread}, from"
    latest = [_campaign(one, now) for one in basis.campaigns[:_CAMPAIGNS_SHOWN]]
    console.table(latest, list(latest[0]), title=title)
    if len(basis.campaigns) > len(latest):
        console.say(f"and {len(basis.campaigns) - len(latest):,} more: --format json tells all")


def _campaign(one: Campaign, now: int) -> dict[str, Any]:
    over = one.used_in_whole_days(now)
    types = ", ".join(f"{name} {n:,}" for name, n in Counter(one.by_type).most_common(_TYPES_SHOWN))
    return {
        "campaign": one.campaign_id,
        "began": minute(one.began),
        "days_known": one.days_known(now),
        "recipients": one.recipients,
        "in_those_days": over,
        "per_recipient": f"{over / one.recipients:.3f}" if one.recipients and one.days_known(now) else "",
        "so_far": sum(one.by_age.values()),
        "types": types,
    }


def _numbers(answer: Answer, outcome: Outcome) -> dict[str, Any]:
    used, allowance = outcome.used, answer.cycle.allowance or 0
    already = answer.cycle.used >= allowance
    return {
        "used_at_end": f"{used.expected:,} ({used.low:,} to {used.high:,})",
        "ratio": f"{_share(used.expected, allowance)} ({_band(used, allowance)})",
        "of_the_sending": f"{outcome.sending.expected:,} ({outcome.sending.low:,} to {outcome.sending.high:,})",
        "exhausted": "already" if already else between(*outcome[3:]) or "not in this cycle",
    }


def _share(used: int, allowance: int) -> str:
    return percent(used / allowance)


def _band(used: Band, allowance: int) -> str:
    return f"{used.low / allowance * 100:,.1f} to {used.high / allowance * 100:,.1f} %"


def _facts(answer: Answer) -> dict[str, Any]:
    sendings = [
        {
            "pattern": one.pattern,
            "recipients": one.sending.recipients,
            "at": moment(one.sending.at),
            "activities_per_recipient": one.sending.curve.total,
            "by_day": list(one.sending.curve.daily),
            "spread": one.sending.curve.spread,
            "campaigns": [
                {
                    "campaign_id": c.campaign_id,
                    "recipients": c.recipients,
                    "began": moment(c.began),
                    "days_known": c.days_known(answer.now),
                    "activities": sum(c.by_age.values()),
                    "activities_in_days_known": c.used_in_whole_days(answer.now),
                    "by_type": dict(c.by_type),
                }
                for c in one.campaigns
            ],
        }
        for one in answer.basis
    ]
    facts = {"account_id": answer.cycle.account_id, "answer": verdict(answer), "cycle": plain(answer.cycle)}
    outcomes = {"with": _outcome(answer.outcome), "without": _outcome(answer.without)}
    return facts | outcomes | {"sendings": sendings, "notes": notes(answer)}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "used": outcome.used._asdict(),
        "sending": outcome.sending._asdict(),
        "after_the_cycle": outcome.behind,
        "exhausted_at": moment(outcome.exhausted_at),
        "exhausted_earliest": moment(outcome.earliest),
        "exhausted_latest": moment(outcome.latest),
    }
