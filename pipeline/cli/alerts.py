"""`tally alerts list` and `tally alerts retry`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.webhook.states import State
from pipeline import rfc3339, schema_ids
from pipeline.cli import console
from pipeline.settings import Settings, load

if TYPE_CHECKING:
    from connectors.webhook.standing import Standing

_COLUMNS = (
    *("id", "account_id", "cycle_start", "kind", "threshold", "used", "allowance", "occurred_at", "state"),
    *("attempts", "at", "status", "error", "next_at"),
)


def list_(
    account: Annotated[str | None, typer.Option("--account", help="Of that account alone.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="In that state alone.")] = None,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print.")] = console.Format.TABLE,
) -> None:
    """Every alert of the topic allowance.alerts, with what became of it at the webhook.

    States: waiting (nothing was sent so far), retrying (at next_at again), delivered (the endpoint took it),
    parked (nothing more is sent, unless `tally alerts retry` asks), asked (somebody did). Exit codes: 0 done,
    1 Kafka absent or topics missing.

    Examples:

        tally alerts list --account acme

        tally alerts list --state parked --format json
    """
    rows = [
        _row(one)
        for one in _standing(load())
        if (account is None or one.alert.account_id == account) and (state is None or one.state is state)
    ]
    if format_ is console.Format.JSON:
        console.facts(rows)
        return
    console.table(rows, _COLUMNS)
    console.say(f"{len(rows):,} alerts")


def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Of alerts, as `tally alerts list`.")] = None,
    parked: Annotated[bool, typer.Option("--parked", help="All that are parked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which; ask for none.")] = False,
) -> None:
    """Ask for parked alerts to be sent again; a running `tally notify` does, with as many tries as at first.

    The webhook-id stays the same. What was delivered is not sent again, and what is still being tried needs no
    asking. Exit codes: 0 done, 1 an alert is unknown or not parked, or Kafka is absent; then none is asked for.

    Examples:

        tally alerts retry --parked --dry-run

        tally alerts retry 5f2b8c0e9a7d4c11b0c3e6a2d9f41708
    """
    if bool(ids) == parked:
        console.fail("name the alerts to retry, or use --parked for all that are parked", console.Exit.USAGE)
    from connectors.webhook.settings import ASK_MAX
    from connectors.webhook.standing import ask
    from pipeline.kafka_cluster import KafkaAbsent

    settings = load()
    wanted = _parked(settings) if parked else _named(settings, dict.fromkeys(ids or ()))
    console.table([_row(one) for one in wanted[:ASK_MAX]], ("id", "account_id", "kind", "threshold", "error"))
    if dry_run:
        console.say(f"{len(wanted):,} alerts would be sent again")
        return
    try:
        known = schema_ids.resolve(settings)
        ask(settings, wanted[:ASK_MAX], known["receipt.v1.avsc"], time.time_ns() // 1_000)
    except (KafkaAbsent, schema_ids.SchemaChanged, RuntimeError) as error:
        console.fail(str(error))
    left = f"; {len(wanted) - ASK_MAX:,} more are parked: run it again" if len(wanted) > ASK_MAX else ""
    console.say(f"{len(wanted[:ASK_MAX]):,} alerts are asked for again{left}")


def _parked(settings: Settings) -> list[Standing]:
    return [one for one in _standing(settings) if one.state == State.PARKED.value]


def _named(settings: Settings, ids: dict[str, None]) -> list[Standing]:
    """The parked alerts of these ids; ends the command where one is not."""
    found = {one.alert.id: one for one in _standing(settings) if one.alert.id in ids}
    faults = [f"{id_}: there is no such alert; see `tally alerts list`" for id_ in ids if id_ not in found]
    for id_, one in found.items():
        if one.state == State.DELIVERED.value and one.receipt is not None:
            faults.append(f"{id_}: delivered at {rfc3339.text(one.receipt.at)}; it is not sent again")
        elif one.state != State.PARKED.value:
            faults.append(f"{id_}: it is {one.state}; `tally notify` sends it without being asked")
    if faults:
        console.fail("; ".join(faults))
    return [found[id_] for id_ in ids]


def _standing(settings: Settings) -> list[Standing]:
    from connectors.webhook.standing import NoTopics, standing
    from pipeline.kafka_cluster import KafkaAbsent

    try:
        return list(standing(settings))
    except (KafkaAbsent, NoTopics) as error:
        console.fail(str(error))


def _row(one: Standing) -> dict[str, object]:
    alert, receipt = one.alert, one.receipt
    said: dict[str, object] = {
        **alert.facts,
        "state": str(one.state),
        "journal": alert.origin,
    }
    if receipt is None:
        return said | {"attempts": 0, "at": None, "status": None, "error": None, "next_at": None}
    return said | {
        "attempts": receipt.attempts,
        "at": rfc3339.text(receipt.at),
        "status": receipt.status,
        "error": receipt.error,
        "next_at": None if receipt.next_at is None else rfc3339.text(receipt.next_at),
    }
