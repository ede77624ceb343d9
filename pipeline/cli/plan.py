"""`tally plan set|show|list`: what accounts may use, published as events and read back from ClickHouse."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

from pipeline.cli import console
from pipeline.cli.printable import one_line

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from connectors.producer.rows import Message
    from pipeline.core.record import Plan
    from pipeline.first_reads import Place
    from pipeline.settings import Settings

BEHIND_SECONDS_MAX = 15.0  # until plans that were published are in ClickHouse; it takes 2
LIST_MAX = 1_000  # accounts that `tally plan list` shows unless --limit says another number
_LOOK_SECONDS = 0.5
_PLANS = "events.account"  # the topic of plans
_READ = "SELECT topic, partition, read FROM conservation"

_Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The tenant.")]
_Format = Annotated[console.Format, typer.Option("--format", help="How to print.")]


class _Known(NamedTuple):
    """What ClickHouse has of an account, and how many events it has not yet, by topic and partition."""

    plans: tuple[Plan, ...]
    cycles: Sequence[Any]
    missing: Mapping[Place, int]


def set_(  # style: a command's options are its parameters
    account: _Account,
    allowance: Annotated[int, typer.Option("--allowance", metavar="N", help="Activities a cycle.")],
    anchor_day: Annotated[
        int | None, typer.Option("--anchor-day", metavar="D", help="Day on which a cycle begins, 1 to 31.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="Z", help="IANA zone of that day, such as Europe/Berlin.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option("--threshold", metavar="T", help="Share that alerts, such as 0.8 or 80%; any number; or none."),
    ] = None,
    activity: Annotated[
        list[str] | None,
        typer.Option("--activity", metavar="TYPE", help="Type that counts; any number; default: the usual list."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it is set, such as 2026-11-21T10:00:00Z; now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; publish nothing.")] = False,
    format_: _Format = console.Format.TABLE,
) -> None:
    """Set an account's plan: publishes account_plan_set, and says so once Kafka has it.

    What no option says stays as the present plan says it; without one the defaults hold: anchor day 1, UTC, thresholds
    0.8, 0.9 and 1.0, the usual list of activities. What follows is shown: cycles that are judged anew, thresholds that
    alert at once, those that are armed again, boundaries that move. With --dry-run that is all.

    Exit codes: 0 published (or shown), 1 Kafka or ClickHouse failed, 2 a wrong option.

    Examples:

      tally plan set acme --allowance 50000 --anchor-day 15 --time-zone Europe/Berlin

      tally plan set acme --allowance 80000 --dry-run

      tally plan set acme --allowance 80000 --threshold 50% --threshold 80% --threshold 100%

      tally plan set acme --allowance 80000 --activity email_opened --activity email_clicked
    """
    from pipeline import settings as tree
    from pipeline.allowance import plan_change
    from pipeline.cli import plan_options as options
    from pipeline.cli import plan_told
    from pipeline.core import vocabulary

    settings, types = tree.load(), vocabulary.load()
    own = options.thresholds(threshold), options.activities(activity)
    given = plan_change.Given(allowance, anchor_day, time_zone, *own)
    moment = options.instant(at, settings)
    message_of = options.checked(settings, types, account, moment)
    message_of(plan_change.completed(given, None))  # before anybody is asked
    known = _known(settings, account, may_be_behind=dry_run or None not in given)
    told = plan_change.completed(given, known.plans[-1] if known.plans else None)
    message, plan = message_of(told), plan_change.plan_of(account, told, moment)
    _refuse_two_at_once(known.plans, plan)
    foretold = plan_change.foretell(known.cycles, known.plans, plan, types)
    if not dry_run:
        _publish(settings, message)
    plan_told.tell(plan_told.Set(plan, told, foretold, known.cycles, dry_run), format_)
    if known.missing:
        console.say(f"ClickHouse lacks {sum(known.missing.values()):,} events as yet: what follows is without them")


def show(account: _Account, format_: _Format = console.Format.TABLE) -> None:
    """The plan that holds for an account, and all plans that it had.

    Exit codes: 0 shown, 1 ClickHouse failed or does not know the account, 2 a wrong option.

    Examples:

      tally plan show acme

      tally plan show acme --format json
    """
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX
    from pipeline.allowance import rows, statements
    from pipeline.cli import plan_told
    from pipeline.cli.clickhouse import connected

    with connected(QUERY_SECONDS_MAX, database=True) as service:
        plans = rows.plans(service.query(statements.PLANS, {"account": account}).rows)
        cycles = [] if plans else rows.cycles(service.query(statements.CYCLES, {"account": account}).rows)
        if not plans and not cycles:
            unknown(service, account)
    plan_told.show(account, plans, format_)


def list_(
    account: Annotated[
        str, typer.Option("--account", metavar="PATTERN", help="Accounts; * and ? stand for anything.")
    ] = "*",
    time_zone: Annotated[str | None, typer.Option("--time-zone", metavar="Z", help="Plans of this zone.")] = None,
    planned: Annotated[
        bool | None, typer.Option("--planned/--unplanned", help="Accounts with a plan, or without; default: both.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Accounts at most.")] = LIST_MAX,
    format_: _Format = console.Format.TABLE,
) -> None:
    """All accounts, each with the plan that holds; those without a plan are counted, and never alert.

    Exit codes: 0 shown, 1 ClickHouse failed, 2 a wrong option.

    Examples:

      tally plan list

      tally plan list --unplanned

      tally plan list --account 'shop-*' --time-zone Europe/Berlin --format json
    """
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX
    from pipeline.allowance import statements
    from pipeline.cli import plan_told
    from pipeline.cli.clickhouse import connected

    given = {"account": statements.like(account), "zone": time_zone or "", "limit": limit}
    with connected(QUERY_SECONDS_MAX, database=True) as service:
        found = service.query(statements.plan_list(planned, time_zone is not None), given).rows
    plan_told.list_(found, format_)


def unknown(service: Service, account: str) -> NoReturn:
    """End the command: ClickHouse has neither a plan nor an activity of the account."""
    from pipeline.allowance import plan_change, statements

    known = [str(row[0]) for row in service.query(statements.ACCOUNTS).rows]
    near = plan_change.near(account, known)
    said = f"; near it: {', '.join(map(one_line, near))}" if near else ""
    console.fail(f"account {account!r}: ClickHouse has neither a plan nor an activity of it{said}. `tally plan list`")


def _known(settings: Settings, account: str, may_be_behind: bool) -> _Known:
    """The account as ClickHouse has it, once it has all plans that Kafka has; else the end, unless it may be behind."""
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX
    from pipeline.allowance import rows, statements
    from pipeline.cli.clickhouse import connected

    with connected(QUERY_SECONDS_MAX, database=True) as service:
        missing = _missing(settings, service, 0.0 if may_be_behind else BEHIND_SECONDS_MAX)
        plans = sum(count for (topic, _), count in missing.items() if topic == _PLANS)
        if plans and not may_be_behind:
            console.fail(
                f"ClickHouse lacks {plans:,} events of {_PLANS} after {BEHIND_SECONDS_MAX:g} s, maybe a plan of this "
                "account, whose fields are to be kept: do worker and sink run? `tally status`. Or give every option"
            )
        found = rows.plans(service.query(statements.PLANS, {"account": account}).rows)
        cycles = rows.cycles(service.query(statements.CYCLES, {"account": account}).rows)
    return _Known(found, cycles, missing)


def _missing(settings: Settings, service: Service, patience: float) -> Mapping[Place, int]:
    """Events that Kafka has and ClickHouse has not; waits some time for those of the topic of plans."""
    from pipeline.kafka_cluster import KafkaAbsent
    from pipeline.topic_bounds import TopicsMissing, extents, missing

    try:
        wanted = extents(settings)
    except (KafkaAbsent, TopicsMissing) as error:
        console.fail(str(error))
    deadline = time.monotonic() + patience
    while True:
        read = {(str(topic), int(number)): int(n) for topic, number, n in service.query(_READ).rows}
        left = missing(wanted, read)
        if time.monotonic() >= deadline or not any(topic == _PLANS for topic, _ in left):
            return left
        time.sleep(_LOOK_SECONDS)


def _refuse_two_at_once(plans: Sequence[Plan], plan: Plan) -> None:
    """Of two plans of one instant a hash decides; said again, a plan is only a copy."""
    for one in plans:
        if one.occurred_at == plan.occurred_at and one._replace(identity=plan.identity) != plan:
            console.fail("--at: another plan was set at that very instant; choose another", console.Exit.USAGE)


def _publish(settings: Settings, message: Message) -> None:
    """To Kafka; returns once all replicas in sync have it, else ends the command."""
    from connectors.producer.service import Undelivered
    from pipeline.cli.produce import close_sender, open_sender

    sender = open_sender(settings)
    failure = ""
    try:
        sender.send(*message)
    except Undelivered as error:
        failure = str(error)
    if failure := close_sender(sender) or failure:
        console.fail(failure)
