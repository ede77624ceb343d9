"""Like campaigns: which ones a pattern means, and what they used per recipient, day by day."""

from __future__ import annotations

import math

import pytest

from pipeline.allowance.like import AGE_DAYS_MAX, DAY, Campaign, Curve, NoCurve, campaign, curve, matching

NOW = 1_700_000_000
KNOWN = ["news-1", "news_2", "newsletter", "promo", "100%", "a*b", "axb"]


def sent(days_ago: float, recipients: int, *by_age: int, name: str = "c") -> Campaign:
    began = NOW - int(days_ago * DAY)
    return campaign(name, recipients, (began, began), [("email_opened", age, n) for age, n in enumerate(by_age)])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("promo", ["promo"]),
        ("news_2", ["news_2"]),  # no LIKE without %: ids have underscores
        ("news_1", []),
        ("news%", ["news-1", "news_2", "newsletter"]),
        ("news__%", ["news-1", "news_2", "newsletter"]),
        (r"news\_%", ["news_2"]),
        ("news?[12]", ["news-1", "news_2"]),
        ("*", sorted(KNOWN)),
        ("100%", ["100%"]),  # the id itself goes first
        ("a*b", ["a*b"]),
        ("NEWS*", []),
    ],
)
def test_a_pattern_is_an_id_or_a_like_or_a_glob(pattern: str, found: list[str]) -> None:
    assert matching(pattern, KNOWN) == found


def test_a_rate_is_activities_per_recipient_of_all_like_campaigns() -> None:
    made = curve([sent(3, 100, 30, 10, 2), sent(3, 300, 50, 10, 10)], NOW)
    assert made.daily == pytest.approx((80 / 400, 20 / 400, 12 / 400))
    assert made.total == pytest.approx(112 / 400)


def test_only_complete_days_are_believed() -> None:
    young, old = sent(1.9, 100, 40, 7), sent(3, 100, 20, 10, 5)
    made = curve([young, old], NOW)
    assert made.daily == pytest.approx((60 / 200, 10 / 100, 5 / 100))
    assert curve([sent(0.9, 100, 50), old], NOW).daily == curve([old], NOW).daily


def test_no_campaign_is_believed_for_longer_than_a_cycle_may_last() -> None:
    assert len(curve([sent(AGE_DAYS_MAX + 9, 10, 1)], NOW).daily) == AGE_DAYS_MAX


@pytest.mark.parametrize(
    ("campaigns", "why"),
    [
        ([], "nothing was sent"),
        ([sent(5, 0, 3)], "nothing was sent"),
        ([sent(0.99, 100, 3)], "less than a day ago"),
    ],
)
def test_without_a_rate_the_reason_is_told(campaigns: list[Campaign], why: str) -> None:
    with pytest.raises(NoCurve, match=why):
        curve(campaigns, NOW)


def test_a_day_s_activities_come_evenly_within_it() -> None:
    made = Curve((0.4, 0.2), None)
    seconds = (-5, 0, DAY / 2, DAY, DAY * 1.5, 2 * DAY, 9 * DAY)
    assert [made.until(one) for one in seconds] == pytest.approx([0, 0, 0.2, 0.4, 0.5, 0.6, 0.6])


def test_the_spread_is_how_far_like_campaigns_lie_from_each_other() -> None:
    alike = curve([sent(2, 100, 20, 10), sent(2, 200, 40, 20)], NOW)
    assert alike.spread == pytest.approx(0)
    two = curve([sent(2, 100, 20, 0), sent(2, 100, 40, 0)], NOW)  # a third above and below the mean of 0.3
    assert two.spread == pytest.approx(3.078 * math.sqrt(2 / 9 * 1.5))
    many = curve([sent(2, 100, n, 0) for n in (20, 40) * 10], NOW)
    assert many.spread == pytest.approx(1.282 * math.sqrt(20 / 9 / 19 * 1.05))


def test_a_young_campaign_is_compared_over_the_days_that_it_has() -> None:
    """A day old, it has used what the others had by then: it lies nowhere near half of them."""
    made = curve([sent(3, 100, 20, 20, 20), sent(1, 100, 20)], NOW)
    assert made.spread == pytest.approx(0)


def test_one_campaign_tells_no_spread_and_campaigns_without_use_have_none() -> None:
    assert curve([sent(2, 100, 20)], NOW).spread is None
    assert curve([sent(2, 100), sent(2, 50)], NOW).spread == 0.0


def test_a_campaign_s_activities_are_summed_by_age_and_by_type() -> None:
    made = campaign("c", 9, (NOW, NOW + 2 * DAY), [("sms_sent", 0, 9), ("sms_failed", 0, 1), ("sms_sent", 2, 3)])
    assert (dict(made.by_age), dict(made.by_type)) == ({0: 10, 2: 3}, {"sms_sent": 12, "sms_failed": 1})
    assert made.sent_days == 3
