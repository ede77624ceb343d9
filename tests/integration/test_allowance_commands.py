"""`tally allowance` on a real engine: its numbers are the views', and its answers hold together."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.clickhouse.service import Service
from pipeline.cli import console
from tests.integration import allowance_world as world
from tests.integration.allowance_world import facts, said, tally

service = pytest.fixture(scope="module")(world.reading)
environment = pytest.fixture(world.placed)


def view(service: Service, sql: str) -> list[tuple[Any, ...]]:
    return service.query(sql).rows


# ----------------------------------------------------------------------------------------------------- show


def test_an_account_s_numbers_are_those_of_the_views(service: Service, environment: dict[str, str]) -> None:
    shown = facts("allowance", "show", "acme")
    columns = ("allowance", "used_as_closed", "used_as_corrected", "remaining", "ratio", "forecast", "forecast_low")
    columns += ("forecast_high", "forecast_ratio", "low_confidence")
    rows = view(
        service,
        f"SELECT toString(toUnixTimestamp(cycle_start)), {', '.join(columns)} FROM allowance_cycles "
        "WHERE account_id = 'acme' ORDER BY cycle_start DESC",
    )
    known = [shown["cycle"], *shown["other_cycles"]]
    assert shown["is_under_way"]
    assert [tuple(one[name] for name in columns) for one in known] == [row[1:] for row in rows]
    burn = view(
        service, f"SELECT sum(used) FROM allowance_burn WHERE account_id = 'acme' AND cycle_start = {rows[0][0]}"
    )
    assert burn == [(shown["cycle"]["used_as_corrected"],)]
    assert sum(one["used"] for one in shown["burn"]) == shown["cycle"]["used_as_corrected"]
    assert sum(one["share"] for one in shown["burn"]) == pytest.approx(1)
    assert shown["burn"] == sorted(shown["burn"], key=lambda one: -one["used"])


def test_an_account_is_shown_with_its_alerts_burn_and_other_cycles(environment: dict[str, str]) -> None:
    text = said(tally("allowance", "show", "over"))
    for part in ("used", "remaining -", "exhausted already", "Alerts of this cycle", "threshold 90.0 % 27 30"):
        assert part in text
    assert "What used it" in text
    assert "daily sms sms_sent" in text
    assert "Other cycles" in text
    bare = said(tally("allowance", "show", "over", "--burn", "0", "--cycles", "0"))
    assert "What used it" not in bare
    assert "Other cycles" not in bare


def test_a_plan_that_moved_the_boundaries_leaves_a_cycle_that_counts_no_more(environment: dict[str, str]) -> None:
    """Two are under way then: of both commands it is the one that the next activity goes to."""
    cycle = facts("allowance", "show", "moved")["cycle"]
    (row,) = facts("top", "--account", "moved")
    assert cycle["cycle_start"] == row["cycle_start"] == facts("allowance", "show", "acme")["cycle"]["cycle_start"]
    assert (cycle["used_as_corrected"], cycle["allowance"], row["burn_7d_per_day"]) == (
        0,
        100,
        pytest.approx(1 / 7, abs=1e-3),
    )


def test_an_account_without_a_plan_is_shown_and_an_unknown_one_is_told(environment: dict[str, str]) -> None:
    assert "none: there is no plan" in said(tally("allowance", "show", "free"))
    unknown = tally("allowance", "show", "acmee")
    assert unknown.exit_code == console.Exit.FAILED
    assert "near it: acme" in said(unknown)


# -------------------------------------------------------------------------------------------------- what-if


def test_no_recipients_leave_the_forecast_of_the_view(service: Service, environment: dict[str, str]) -> None:
    for account, send in (("acme", "news-*:0"), ("over", "daily:0")):
        answer = facts("allowance", "what-if", account, "--send", send)
        cycle = facts("allowance", "show", account)["cycle"]
        assert answer["with"] == answer["without"]
        assert answer["with"]["used"] == {
            "low": cycle["forecast_low"],
            "expected": cycle["forecast"],
            "high": cycle["forecast_high"],
        }
        instants = ("exhausted_at", "exhausted_earliest", "exhausted_latest")
        assert [answer["with"][name] for name in instants] == [cycle[name] for name in instants]


def test_a_sending_uses_what_its_like_campaigns_used(environment: dict[str, str]) -> None:
    answer = facts("allowance", "what-if", "acme", "--send", "news-*:400")
    (sending,) = answer["sendings"]
    names = ["news-3", "news-2", "news-1"]
    assert [one["campaign_id"] for one in sending["campaigns"]] == names
    messages = sum(world.CAMPAIGNS[name][1] for name in names)
    opens = [sum(world.CAMPAIGNS[name][2][age] for name in names) for age in range(3)]
    assert sending["by_day"][:4] == pytest.approx([*(n / messages for n in opens), 0.0])
    assert answer["with"]["sending"]["expected"] == sum(opens)
    assert answer["with"]["used"]["expected"] == answer["without"]["used"]["expected"] + sum(opens)
    assert answer["with"]["after_the_cycle"] == 0
    assert "stays at" in answer["answer"]


def test_a_large_sending_exhausts_and_a_larger_one_sooner(environment: dict[str, str]) -> None:
    found = [facts("allowance", "what-if", "acme", "--send", f"news-%:{n}")["with"] for n in (1_500, 3_000)]
    for one in found:
        assert one["exhausted_earliest"] < one["exhausted_at"]
        assert one["exhausted_latest"] is None or one["exhausted_at"] < one["exhausted_latest"]
    assert found[1]["exhausted_at"] < found[0]["exhausted_at"]
    text = said(tally("allowance", "what-if", "acme", "--send", "news-%:3000", "--send", "promo:1_000"))
    assert re.search(r"acme exhausts its allowance on \S+Z \(between \S+Z and \S+Z\); it ends at", text)
    assert "a single like campaign tells nothing" in text
    assert "--send news-%: 0.468 activities per recipient" in text


def test_a_sending_at_the_cycle_s_end_falls_into_the_next_one(environment: dict[str, str]) -> None:
    end = datetime.fromisoformat(facts("allowance", "show", "acme")["cycle"]["cycle_end"])
    at = (end - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    answer = facts("allowance", "what-if", "acme", "--send", "news-*:400", "--at", at)
    assert answer["with"]["sending"]["expected"] + answer["with"]["after_the_cycle"] == 187
    assert answer["with"]["after_the_cycle"] > 0
    assert any("use up the next one" in note for note in answer["notes"])
    late = tally("allowance", "what-if", "acme", "--send", "news-*:1", "--at", end.isoformat())
    assert late.exit_code == console.Exit.USAGE
    assert "the cycle under way ends at" in said(late)


@pytest.mark.parametrize(
    ("account", "send", "code", "why"),
    [
        ("acme", "nothing-like-it-*:100", 1, "no campaign of acme is like it. It has 5, such as"),
        ("acme", "newz-1:100", 1, "such as news-1"),
        ("acme", "today:100", 1, "less than a day ago: too early for a rate"),
        ("free", "x:100", 1, "free has no plan, so nothing can be exhausted"),
        ("quiet", "x:100", 1, "quiet has no campaign as yet"),
        ("nobody", "x:100", 1, "neither a plan nor an activity"),
        ("acme", "news-1", 2, "write it as CAMPAIGN_LIKE:RECIPIENTS"),
        ("acme", "news-1:many", 2, "write it as CAMPAIGN_LIKE:RECIPIENTS"),
        ("acme", "news-1:-5", 2, "write it as CAMPAIGN_LIKE:RECIPIENTS"),
        ("acme", f"news-1:{10**13}", 2, "recipients at most"),
    ],
)
def test_what_has_no_answer_is_refused_with_the_reason(
    environment: dict[str, str], account: str, send: str, code: int, why: str
) -> None:
    run = tally("allowance", "what-if", account, "--send", send)
    assert run.exit_code == code, run.output
    assert why in said(run)


def test_a_sending_in_the_past_is_refused(environment: dict[str, str]) -> None:
    run = tally("allowance", "what-if", "acme", "--send", "news-1:5", "--at", "2020-01-01T00:00:00Z")
    assert run.exit_code == console.Exit.USAGE
    assert "is over" in said(run)
