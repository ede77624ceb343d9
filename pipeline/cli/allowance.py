"""`tally allowance show|what-if`: how an account stands in its cycle, and what a planned sending would make of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from pipeline.cli import console
from pipeline.cli.printable import one_line

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from pipeline.allowance.like import Campaign, Curve
    from pipeline.allowance.rows import Cycle
    from pipeline.allowance.what_if import Line

RECIPIENTS_MAX = 10**12  # of one planned sending
SENDINGS_MAX = 100  # of one question
_CYCLES_SHOWN = 12
_BURN_SHOWN = 10

_Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The tenant.")]
_Format = Annotated[console.Format, typer.Option("--format", help="How to print.")]


class Asked(NamedTuple):
    """A planned sending as it was asked for: a campaign's id or a pattern, and recipients."""

    pattern: str
    recipients: int


def show(
    account: _Account,
    cycles: Annotated[int, typer.Option("--cycles", min=0, max=1_000, help="Other cycles shown.")] = _CYCLES_SHOWN,
    burn: Annotated[
        int, typer.Option("--burn", min=0, max=10_000, help="Campaigns, channels and types shown.")
    ] = _BURN_SHOWN,
    format_: _Format = console.Format.TABLE,
) -> None:
    """How an account stands: the cycle under way, its forecast, its alerts, what used it up, and other cycles.

    Where no cycle is under way (nothing has happened in it yet), the last one is shown. The forecast is made once a
    day; its band holds 80 of 100 outcomes. JSON has all cycles, alerts and burn of the cycle.

    Exit codes: 0 shown, 1 ClickHouse failed or does not know the account, 2 a wrong option.

    Examples:

      tally allowance show acme

      tally allowance show acme --burn 50 --cycles 0

      tally allowance show acme --format json
    """
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX
    from pipeline.allowance import rows, statements
    from pipeline.cli import allowance_told, plan
    from pipeline.cli.clickhouse import connected

    now, given = int(time.time()), {"account": account}
    with connected(QUERY_SECONDS_MAX, database=True) as service:
        known = rows.cycles(service.query(statements.CYCLES, given).rows)
        if not known:
            plan.unknown(service, account)
        plans = rows.plans(service.query(statements.PLANS, given).rows)
        cycle = rows.under_way(known, plans, now) or known[0]
        alerts = rows.alerts(service.query(statements.ALERTS, given).rows)
        used = rows.burn(service.query(statements.BURN, {**given, "start": cycle.start}).rows)
    others = [one for one in known if one != cycle]
    shown = allowance_told.Shown(cycle, others, alerts, used, now)
    allowance_told.show(shown, (cycles, burn), format_)


def what_if(
    account: _Account,
    send: Annotated[
        list[str],
        typer.Option("--send", metavar="CAMPAIGN_LIKE:RECIPIENTS", help="A planned sending; any number of them."),
    ],
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it begins, such as 2026-11-27T08:00:00Z; now.")
    ] = None,
    format_: _Format = console.Format.TABLE,
) -> None:
    """Whether and when a planned sending exhausts the allowance, from the account's own rates.

    CAMPAIGN_LIKE is the id of a past campaign of the account or a pattern of several: a glob (news-*) or, with %, SQL's
    LIKE (news-%). What they used for each message sent (or delivered, where a source tells no sent), day by day since
    they began, is put on top of the forecast. The band holds 80 of 100 outcomes: the forecast's own, and how much the
    like campaigns differ from each other.

    Exit codes: 0 answered, 1 ClickHouse failed, or there is no rate, plan or cycle to answer from, 2 a wrong option.

    Examples:

      tally allowance what-if acme --send 'newsletter-*:120000'

      tally allowance what-if acme --send 'newsletter-*:120000' --send black-friday-2025:80000 --at 2026-11-27T08:00:00Z
    """
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX
    from pipeline.allowance import rows
    from pipeline.allowance import what_if as projection
    from pipeline.cli import what_if_told
    from pipeline.cli.clickhouse import connected

    now, asked = int(time.time()), _asked(send)
    begins = _instant(at, now)
    with connected(QUERY_SECONDS_MAX, database=True) as service:
        cycle, types = _cycle_under_way(service, account, now)
        line = _line(service, cycle)
        groups = [_campaigns(service, account, one.pattern, types) for one in asked]
    if begins >= cycle.end:
        message = f"--at: the cycle under way ends at {rows.moment(cycle.end)}; what is behind has no forecast"
        console.fail(message, console.Exit.USAGE)
    planned = [
        projection.Sending(one.recipients, begins, _curve(one.pattern, campaigns, now))
        for one, campaigns in zip(asked, groups, strict=True)
    ]
    state = projection.Cycle(cycle.end, cycle.allowance or 0, cycle.used, line)
    outcomes = projection.what_if(state, planned, now), projection.what_if(state, [], now)
    basis = [what_if_told.Basis(one.pattern, s, g) for one, s, g in zip(asked, planned, groups, strict=True)]
    what_if_told.tell(what_if_told.Answer(cycle, *outcomes, basis, now), format_)


def _curve(pattern: str, campaigns: Sequence[Campaign], now: int) -> Curve:
    from pipeline.allowance import like

    try:
        return like.curve(campaigns, now)
    except like.NoCurve as error:
        console.fail(f"--send {pattern}: {error}. Its campaigns: {_some([one.campaign_id for one in campaigns])}")


def _asked(send: Sequence[str]) -> list[Asked]:
    """What --send says, or the end of the command."""
    found = []
    if len(send) > SENDINGS_MAX:
        console.fail(f"--send: at most {SENDINGS_MAX} of them", console.Exit.USAGE)
    for one in send:
        pattern, _, text = one.rpartition(":")
        digits = text.replace("_", "").replace(",", "")
        if not pattern or not (digits.isascii() and digits.isdigit()):
            console.fail(
                f"--send {one}: write it as CAMPAIGN_LIKE:RECIPIENTS, such as 'news-*:120000'", console.Exit.USAGE
            )
        if int(digits) > RECIPIENTS_MAX:
            console.fail(f"--send {one}: {RECIPIENTS_MAX:,} recipients at most", console.Exit.USAGE)
        found.append(Asked(pattern, int(digits)))
    return found


def _instant(at: str | None, now: int) -> int:
    """When the sendings begin, Unix seconds, or the end of the command."""
    from pipeline import rfc3339
    from pipeline.allowance.rows import SECOND_US

    if at is None:
        return now
    try:
        begins = rfc3339.parse(at) // SECOND_US
    except ValueError as error:
        console.fail(f"--at {at}: {error}", console.Exit.USAGE)
    if begins < now:
        console.fail(f"--at {at}: is over; what was sent is in the numbers already", console.Exit.USAGE)
    return begins


def _cycle_under_way(service: Service, account: str, now: int) -> tuple[Cycle, list[str]]:
    """The cycle that has a plan, and the types that use it up; or the end of the command."""
    from pipeline.allowance import rows, statements
    from pipeline.cli import plan
    from pipeline.core import vocabulary

    known = rows.cycles(service.query(statements.CYCLES, {"account": account}).rows)
    plans = rows.plans(service.query(statements.PLANS, {"account": account}).rows)
    if not known and not plans:
        plan.unknown(service, account)
    cycle = rows.under_way(known, plans, now)
    if cycle is None:
        console.fail(
            f"{one_line(account)} has used nothing in the cycle under way: there is no forecast to put a sending on"
        )
    if cycle.allowance is None or not plans:
        named = one_line(account)
        console.fail(f"{named} has no plan, so nothing can be exhausted: `tally plan set {named} --allowance N`")
    own = plans[-1].activities
    return cycle, sorted(vocabulary.load().default_activities if own is None else own)


def _line(service: Service, cycle: Cycle) -> Line | None:
    from pipeline.allowance import statements
    from pipeline.allowance.what_if import Line

    found = service.query(statements.LINE, {"account": cycle.account_id, "start": cycle.start}).rows
    return Line(*map(int, found[0])) if found else None


def _campaigns(service: Service, account: str, pattern: str, types: Sequence[str]) -> list[Campaign]:
    """The latest campaigns that a pattern means, or the end of the command."""
    from pipeline.allowance import like, statements

    recipients = {str(name): int(n) for name, n in service.query(statements.CAMPAIGNS, {"account": account}).rows}
    names = like.matching(pattern, recipients)
    if not names:
        _no_campaign(account, pattern, recipients)
    chosen = set(names)
    every = service.query(statements.SENT, {"account": account}).rows
    sent = [row for row in every if row[0] in chosen][: like.LIKE_MAX]
    if not sent:
        console.fail(f"--send {pattern}: nothing was sent or delivered by {_some(names)}, so there is no rate")
    latest = [str(row[0]) for row in sent]
    used: dict[str, list[tuple[str, int, int]]] = {name: [] for name in latest}
    given = {"account": account, "campaigns": latest, "types": list(types)}
    for name, type_, age, n in service.query(statements.CURVES, given).rows:
        used[str(name)].append((str(type_), int(age), int(n)))
    return [like.campaign(name, recipients[name], (int(a), int(b)), used[name]) for name, a, b in sent]


def _no_campaign(account: str, pattern: str, known: dict[str, int]) -> NoReturn:
    from pipeline.allowance import plan_change

    if not known:
        console.fail(f"--send {pattern}: {account} has no campaign as yet, so there is no rate")
    near = plan_change.near(pattern.strip("*%"), known) or sorted(known, key=lambda name: -known[name])[:3]
    console.fail(f"--send {pattern}: no campaign of {account} is like it. It has {len(known):,}, such as {_some(near)}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(map(one_line, names[:3])) + more
