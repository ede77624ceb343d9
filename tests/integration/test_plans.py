"""`tally plan` on a running deployment: what --dry-run foretells is what then happens."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app, console
from pipeline.cli.printable import one_line
from pipeline.settings import load
from pipeline.topic_bounds import held
from tests.e2e.deployment import Deployment, deployed

RUNNER = CliRunner()
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def deployment(kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two workers and a sink."""
    with deployed(kafka, clickhouse, tmp_path_factory.mktemp("plans")) as made:
        yield made


def tally(*arguments: str, stdin: str = "") -> Result:
    return RUNNER.invoke(app.app, list(arguments), input=stdin)


def facts(*arguments: str) -> Any:
    run = tally(*arguments, "--format", "json")
    assert run.exit_code == console.Exit.OK, run.output
    return json.loads(run.stdout)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def use(account: str, number: int, at: datetime, name: str, wait: bool = True) -> None:
    """Activities; with `wait` they are in ClickHouse."""
    plain = {"account_id": account, "source": "own", "type": "email_opened", "occurred_at": text(at)}
    lines = "".join(json.dumps({**plain, "event_id": f"{name}{n}"}) + "\n" for n in range(number))
    run = tally("produce", "-", stdin=lines)
    assert run.exit_code == console.Exit.OK, run.output
    if wait:
        settle()


def settle() -> None:
    run = tally("wait", "--timeout", "30")
    assert run.exit_code == console.Exit.OK, run.output


def test_what_a_dry_run_foretells_is_what_setting_the_plan_does(deployment: Deployment) -> None:
    """Plans one after the other; before each, what its dry run says; after each, what the views say."""
    now = datetime.now(UTC)
    use("acme", 7, now - 25 * DAY, "then", wait=False)
    use("acme", 10, now - timedelta(seconds=5), "now")
    other = (now + 9 * DAY).day  # an anchor day that moves the boundaries, whatever day it is
    steps: list[tuple[str, ...]] = [
        ("--allowance", "20", "--anchor-day", str((now - 3 * DAY).day)),
        ("--allowance", "12"),  # 80 % at once
        ("--allowance", "12"),  # the same again
        ("--allowance", "10", "--at", text(now - 10 * DAY)),  # late: it judges what ended before the others
        ("--allowance", "40", "--threshold", "20%", "--threshold", "0.8"),  # one at once, one armed again
        ("--allowance", "8", "--threshold", "1", "--anchor-day", str(other), "--time-zone", "Asia/Tokyo"),
    ]
    changed = []
    stand = _stand("acme")
    for options in steps:
        done, stand = _foretold_and_set("acme", options, stand)
        changed.append(done)
    assert [bool(one["changes"]) for one in changed] == [True, True, False, True, True, True]
    fired = [sorted({t for change in one["changes"] for t in change["alerts_at_once"]}) for one in changed]
    assert 0.8 in fired[1]
    assert fired[4] == [0.2]
    assert any(change["armed_again"] == [0.8] for change in changed[4]["changes"])
    assert [one["cycle"]["moves"] for one in changed][1:5] == [False] * 4
    assert changed[5]["cycle"]["moves"]
    assert [one["holds"] for one in changed] == [True, True, True, False, True, True]


Stand = tuple[dict[str, dict[str, Any]], list[tuple[str, float, int, str]]]


def _stand(account: str) -> Stand:
    """Every cycle by its start, and the threshold alerts: cycle, threshold, used, when."""
    shown = facts("allowance", "show", account)
    cycles = {one["cycle_start"]: one for one in (shown["cycle"], *shown["other_cycles"])}
    plain = [one for one in shown["alerts"] if one["kind"] == "threshold"]
    return cycles, sorted((one["cycle_start"], one["threshold"], one["used"], one["occurred_at"]) for one in plain)


def _published() -> int:
    return sum(count for (topic, _), count in held(load()).items() if topic == "events.account")


def _foretold_and_set(account: str, options: tuple[str, ...], before: Stand) -> tuple[Any, Stand]:
    """What the command says, and how the account stands then: held to what it said before."""
    moment = () if "--at" in options else ("--at", text(datetime.now(UTC)))
    published = _published()
    foretold = facts("plan", "set", account, *options, *moment, "--dry-run")
    assert not foretold["published"]
    assert _published() == published, "a dry run published something"
    done = facts("plan", "set", account, *options, *moment)
    assert done == {**foretold, "published": True}
    assert _published() == published + 1
    settle()
    (known, fired), (found, fired_then) = before, _stand(account)
    changes = {one["cycle_start"]: one for one in foretold["changes"]}
    for start, cycle in found.items():
        was, change = known.get(start), changes.get(start)
        if change is None:
            assert cycle == was
            continue
        assert (cycle["cycle_end"], cycle["used_as_corrected"], cycle["allowance"]) == (
            change["cycle_end"], change["used"], change["allowance_after"],
        )  # fmt: skip
        assert (was["allowance"] if was else None) == change["allowance_before"]
        assert cycle["ratio"] == pytest.approx(change["ratio_after"])
    assert changes.keys() <= found.keys()
    new = [(start, t, one["used"], foretold["set_at"]) for start, one in changes.items() for t in one["alerts_at_once"]]
    assert fired_then == sorted(fired + new)
    return done, (found, fired_then)


def test_a_threshold_that_is_armed_again_alerts_again(deployment: Deployment) -> None:
    now = datetime.now(UTC)
    assert tally("plan", "set", "again", "--allowance", "10", "--threshold", "0.5").exit_code == console.Exit.OK
    use("again", 6, now, "first")
    (first,) = _stand("again")[1]
    foretold = facts("plan", "set", "again", "--allowance", "20")
    (change,) = foretold["changes"]
    assert (change["alerts_at_once"], change["armed_again"], change["ratio_after"]) == ([], [0.5], 0.3)
    assert [field["from"] for field in foretold["plan"].values()] == ["given", "kept", "kept", "kept", "kept"]
    settle()
    assert _stand("again")[1] == [first]
    use("again", 4, now, "second")
    assert [(threshold, used) for _, threshold, used, _ in _stand("again")[1]] == [(0.5, 5), (0.5, 10)]


def test_a_plan_set_right_after_another_keeps_what_that_one_said(deployment: Deployment) -> None:
    """The first one is not in ClickHouse yet: it is waited for."""
    given = ("--anchor-day", "17", "--time-zone", "Europe/Berlin", "--activity", "email_opened", "--threshold", "0.7")
    assert tally("plan", "set", "soon", "--allowance", "5", *given).exit_code == console.Exit.OK
    kept = facts("plan", "set", "soon", "--allowance", "6")["plan"]
    assert {name: field["value"] for name, field in kept.items()} == {
        "allowance": 6,
        "anchor_day": 17,
        "time_zone": "Europe/Berlin",
        "thresholds": [0.7],
        "activities": ["email_opened"],
    }
    back = facts("plan", "set", "soon", "--allowance", "6", "--activity", "default", "--threshold", "none")["plan"]
    assert (back["activities"]["value"], back["thresholds"]["value"]) == (None, [])
    settle()
    shown = facts("plan", "show", "soon")
    assert [plan["allowance"] for plan in shown["history"]] == [6, 6, 5]
    assert (shown["plan"]["activities"], shown["plan"]["thresholds"]) == (None, [])


def test_all_accounts_are_listed_with_and_without_plans(deployment: Deployment) -> None:
    now = datetime.now(UTC)
    for account, zone in (("list-a", "Europe/Berlin"), ("list_b", "UTC")):
        run = tally("plan", "set", account, "--allowance", "5", "--time-zone", zone)
        assert run.exit_code == console.Exit.OK, run.output
    use("list-c", 1, now, "c")

    def listed(*options: str) -> list[str]:
        return [one["account_id"] for one in facts("plan", "list", "--account", "list*", *options)]

    assert listed() == ["list-a", "list-c", "list_b"]
    assert listed("--planned") == ["list-a", "list_b"]
    assert listed("--unplanned") == ["list-c"]
    assert listed("--time-zone", "Europe/Berlin") == ["list-a"]
    assert listed("--limit", "1") == ["list-a"]
    assert [one["account_id"] for one in facts("plan", "list", "--account", "list_?")] == ["list_b"]
    (without,) = facts("plan", "list", "--account", "list-c")
    assert (without["allowance"], without["plans"]) == (None, 0)
    shown = tally("plan", "list", "--account", "list*")
    assert "3 accounts, 1 without a plan" in shown.stderr


def test_wrong_options_are_told_in_their_names_and_publish_nothing(deployment: Deployment) -> None:
    wrong = {
        ("--allowance", "0"): "--allowance 0",
        ("--allowance", "5", "--anchor-day", "32"): "--anchor-day 32",
        ("--allowance", "5", "--time-zone", "berlin"): "near it: Europe/Berlin",
        ("--allowance", "5", "--threshold", "0"): "--threshold 0: must be above 0",
        ("--allowance", "5", "--threshold", "inf"): "must be finite",
        ("--allowance", "5", "--threshold", "much"): "write it as a share",
        ("--allowance", "5", "--activity", "email_opend"): "near it: email_opened",
        ("--allowance", "5", "--at", "yesterday"): "--at yesterday",
        ("--allowance", "5", "--at", "2020-01-01T00:00:00Z"): "acceptance window",
        ("--allowance", "5", "--at", "2100-01-01T00:00:00Z"): "minutes ahead",
    }
    for options, said in wrong.items():
        run = tally("plan", "set", "wrong", *options)
        assert run.exit_code == console.Exit.USAGE, run.output
        assert said in " ".join(run.stderr.split())
    settle()
    assert tally("plan", "show", "wrong").exit_code == console.Exit.FAILED


@pytest.mark.parametrize("account", ["[/x]", "[bold]red[/bold]", "a\x1b[2Jb\n\u202ec:smile:"])
def test_any_account_and_campaign_is_shown_literally_by_every_command(deployment: Deployment, account: str) -> None:
    now = datetime.now(UTC)
    name, campaign = one_line(account), f"news-a{account}"
    plain = {"account_id": account, "source": "own", "campaign_id": campaign, "occurred_at": text(now - 2 * DAY)}
    kinds = ["email_sent"] * 4 + ["email_opened"] * 2
    people = [{"event_id": f"n{n}", "type": kind, "profile_id": f"p{n % 4}"} for n, kind in enumerate(kinds)]
    run = tally("produce", "-", stdin="".join(json.dumps({**plain, **one}) + "\n" for one in people))
    assert run.exit_code == console.Exit.OK, run.output
    use(account, 1, now, "now")
    plan = ("plan", "set", account, "--allowance", "10")
    for command, heading in [
        ((*plan, "--dry-run"), f"Plan of {name}, set at "),
        (plan, f"Plan of {name}, set at "),
        (("plan", "show", account), f"Plan of {name}"),
        (("plan", "list"), name),
        (("allowance", "show", account), f"{name}: cycle "),
        (("allowance", "what-if", account, "--send", "news-[abc]*:100"), "--send news-[abc]*: "),
        (("top", "--once"), name),
    ]:
        run = tally(*command)
        assert run.exit_code == console.Exit.OK, (command, run.output, run.exception)
        assert heading in run.output, (command, run.output)
        assert not [one for one in run.output if one != "\n" and unicodedata.category(one) in ("Cc", "Cf")], command
        if command == plan:
            settle()
    assert facts("plan", "show", account)["account_id"] == account
    run = tally("plan", "show", account + "x")
    assert run.exit_code == console.Exit.FAILED
    assert f"near it: {name}" in run.output


def test_plans_that_clickhouse_may_not_have_yet_are_not_overlooked(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a sink: what is to be kept is not known, so nothing is set, unless every option is given.

    It ends the module's processes, so it stays the last one.
    """
    from pipeline.cli import plan

    monkeypatch.setattr(plan, "BEHIND_SECONDS_MAX", 1.0)
    deployment.services.stop()
    assert tally("plan", "set", "blind", "--allowance", "5").exit_code == console.Exit.OK
    blind = tally("plan", "set", "blind", "--allowance", "6")
    assert blind.exit_code == console.Exit.FAILED
    assert "do worker and sink run? `tally status`. Or give every option" in " ".join(blind.stderr.split())
    every = ("--anchor-day", "1", "--time-zone", "UTC", "--threshold", "1", "--activity", "default")
    began = time.monotonic()
    sure = tally("plan", "set", "blind", "--allowance", "6", *every)
    assert sure.exit_code == console.Exit.OK, sure.output
    assert "ClickHouse lacks 1 events as yet" in " ".join(sure.stderr.split())
    assert time.monotonic() - began < 10
