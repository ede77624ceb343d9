"""What `tally allowance what-if` says: of a cycle without a forecast, and of a like campaign's day in progress."""

from __future__ import annotations

import pytest

from pipeline.allowance.like import DAY, Campaign, curve
from pipeline.allowance.rows import Cycle
from pipeline.allowance.what_if import Band, Outcome, Sending
from pipeline.cli import console, what_if_told

BEGAN = 1_700_006_400  # a UTC midnight
NOW = BEGAN + DAY + DAY // 2
LIKE = Campaign("news", 1_000, BEGAN, BEGAN, {0: 497, 1: 86}, {"email_opened": 583})


def answer(used: int, *, exhausted_at: int | None = None, forecast: int | None = None) -> what_if_told.Answer:
    fields = dict.fromkeys(Cycle._fields)
    given = {"account_id": "acme", "start": BEGAN, "end": BEGAN + 30 * DAY, "used": used, "allowance": 1_000}
    cycle = Cycle(**{**fields, **given, "forecast": forecast})  # type: ignore[arg-type]  # what is not looked at
    outcome = Outcome(Band(513, 513, 513), Band(0, 0, 0), 0, exhausted_at, exhausted_at, exhausted_at)
    basis = what_if_told.Basis("news", Sending(10, NOW, curve([LIKE], NOW)), [LIKE])
    return what_if_told.Answer(cycle, outcome, outcome, [basis], NOW)


def test_the_headline_says_that_there_is_no_forecast_yet_and_what_the_number_is() -> None:
    assert what_if_told.verdict(answer(500)) == (
        "has no forecast yet: what is used now and the sending alone come to 51.3 % (51.3 to 51.3 %) of its allowance"
    )
    said = what_if_told.verdict(answer(500, exhausted_at=NOW + DAY))
    assert said.startswith("exhausts its allowance on 2023-11-17T12:00Z")
    assert said.endswith(
        "; it has no forecast yet: what is used now and the sending alone come to 51.3 % (51.3 to 51.3 %)"
    )
    assert what_if_told.verdict(answer(1_000)) == (
        "has used up its allowance already; it has no forecast yet: what is used now and the sending alone come to "
        "51.3 % (51.3 to 51.3 %)"
    )
    assert what_if_told.verdict(answer(500, forecast=600)) == "stays at 51.3 % (51.3 to 51.3 %) of its allowance"


def test_heading_and_row_of_a_like_campaign_say_the_same_of_the_days_that_are_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    what_if_told.tell(answer(500, forecast=600), console.Format.TABLE)
    said = " ".join(capsys.readouterr().out.split())
    assert "--send news: 0.497 activities per recipient in whole days" in said
    assert "days_known recipients in_those_days per_recipient so_far types" in said
    assert " 1 1,000 497 0.497 583 email_opened 583" in said or " 1 1000 497 0.497 583 email_opened 583" in said
