"""What a sender is answered makes its vendor do the right thing, and gives nothing away."""

from __future__ import annotations

import json

import pytest

from connectors.collect import answers, openapi
from connectors.collect.answers import STATUSES, TRY_AGAIN, WORDS, Kept, Outcome
from connectors.collect.routes import DELIVERIES, Place
from connectors.collect.translation import Refusal
from connectors.collect.vendors import VENDORS
from pipeline.core.reasons import Reject

FAILURES = [one for one in Outcome if one not in (Outcome.SUCCESS, Outcome.TOLD)]
NO_DELIVERY_AT_ALL = {401, 404, 405, 409, 413, 415}  # wrong key, wrong place, nothing that could be kept


def test_every_outcome_has_a_status_and_words() -> None:
    assert {*TRY_AGAIN, *STATUSES, Outcome.SUCCESS, Outcome.TOLD} == set(Outcome)
    assert not {*TRY_AGAIN} & {*STATUSES}
    assert {*WORDS} == {*TRY_AGAIN, *STATUSES}


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
def test_success_is_exactly_200(vendor: answers.Vendor) -> None:
    assert answers.success(vendor, Kept(0, []), Place.HOOK).status == 200


@pytest.mark.parametrize("outcome", TRY_AGAIN)
def test_brevo_is_told_to_try_again_by_429_and_the_others_by_503(outcome: Outcome) -> None:
    for name, vendor in VENDORS.items():
        answer = answers.failure(outcome, vendor)
        assert answer.status == (429 if name == "brevo" else 503)
        assert int(answer.headers["Retry-After"]) > 0
    assert answers.failure(outcome, None).status == 503


@pytest.mark.parametrize("outcome", FAILURES)
def test_brevo_never_gets_what_makes_it_give_up_but_for_what_is_no_delivery(outcome: Outcome) -> None:
    assert answers.failure(outcome, VENDORS["brevo"]).status in {429} | NO_DELIVERY_AT_ALL


@pytest.mark.parametrize("outcome", FAILURES)
def test_an_answer_without_success_says_its_status_and_what_to_do(outcome: Outcome) -> None:
    answer = answers.failure(outcome, VENDORS["own"], ("POST",))
    assert json.loads(answer.body) == {"title": WORDS[outcome], "status": answer.status}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("Allow" in answer.headers) == (answer.status == 405)
    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
    assert ("Retry-After" in answer.headers) == (outcome in TRY_AGAIN)


REFUSALS = [(0, Refusal(Reject.UNKNOWN_TYPE, "type \ud800")), (2, Refusal(Reject.NOBODY, "profile_id"))]


def test_a_vendor_is_told_how_many_items_were_refused() -> None:
    body = answers.success(VENDORS["altcraft"], Kept(5, REFUSALS), Place.HOOK).body
    assert json.loads(body) == {"accepted": 3, "rejected": 2}


def test_canonical_events_are_told_which_items_were_refused_and_why() -> None:
    told = json.loads(answers.success(VENDORS["own"], Kept(5, REFUSALS), Place.EVENTS).body)
    assert told["accepted"] == 3
    assert told["rejected"] == [
        {"index": 0, "reason": "unknown_type", "detail": "type ?"},
        {"index": 2, "reason": "nobody", "detail": "profile_id"},
    ]


@pytest.mark.parametrize("beyond", [0, 1])
def test_an_answer_names_a_thousand_refusals_and_counts_the_rest(beyond: int) -> None:
    many = [(n, REFUSALS[1][1]) for n in range(answers.REJECTED_TOLD_MAX + beyond)]
    told = json.loads(answers.success(VENDORS["own"], Kept(len(many), many), Place.EVENTS).body)
    assert len(told["rejected"]) == answers.REJECTED_TOLD_MAX
    assert told.get("rejected_not_shown", 0) == beyond
    assert told["accepted"] == 0


def test_the_document_has_every_status_that_a_delivery_may_be_answered() -> None:
    for place in DELIVERIES:
        told = {int(status) for status in openapi.DOCUMENT["paths"][place]["post"]["responses"]}
        vendors = [VENDORS["own"]] if place is Place.EVENTS else list(VENDORS.values())
        given = {answers.failure(one, vendor).status for one in FAILURES for vendor in vendors}
        never = {405} | ({404} if place is Place.EVENTS else set())  # another method, another path
        assert told == {200, 400} | given - never, place
