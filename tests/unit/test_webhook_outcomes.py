"""What follows from an answer: delivered, tried again and when, or parked; and receipts as bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.webhook import rows
from connectors.webhook.outcomes import SECOND_US, Answer, asked_wait, delay, receipt, stale
from connectors.webhook.rows import NoReceipt, Receipt
from connectors.webhook.settings import ERROR_CHARACTERS_MAX, JITTER, RETRY_AFTER_SECONDS_MAX, Endpoint
from connectors.webhook.states import State

ENDPOINT = Endpoint("https://u:1/x", ("s",), 10, 5, 2.0, 60.0, 3_600.0)
AT = 1_767_225_600_000_000
NEW = Receipt("id", State.WAITING, 0, AT - 9, None, None, None, 3, b"alert")


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_2xx_delivers(status: int) -> None:
    made = receipt(NEW, Answer(status), ENDPOINT, AT, 0.0)
    assert made == Receipt("id", State.DELIVERED, 1, AT, status, None, None, 3, None)


@pytest.mark.parametrize("status", [199, 300, 301, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again(status: int) -> None:
    made = receipt(NEW, Answer(status), ENDPOINT, AT, 0.0)
    assert (made.state, made.attempts, made.status, made.next_at) == (State.RETRYING, 1, status, AT + 2 * SECOND_US)
    assert str(status) in str(made.error)
    assert made.alert == b"alert"


def test_what_is_gone_and_the_last_try_park() -> None:
    assert receipt(NEW, Answer(410), ENDPOINT, AT, 0.0).state is State.PARKED
    before_last = NEW._replace(state=State.RETRYING, attempts=ENDPOINT.attempts_max - 2)
    assert receipt(before_last, Answer(500), ENDPOINT, AT, 0.0).state is State.RETRYING
    last = receipt(before_last._replace(attempts=ENDPOINT.attempts_max - 1), Answer(None, "x" * 999), ENDPOINT, AT, 0.0)
    assert (last.state, last.next_at, last.alert) == (State.PARKED, None, b"alert")
    assert len(str(last.error)) < ERROR_CHARACTERS_MAX + 50


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_doubles_up_to_its_bound_less_the_jitter(attempts: int, chance: float) -> None:
    whole = min(2.0 * 2 ** min(attempts - 1, 60), 60.0)
    assert whole * (1 - JITTER) <= delay(attempts, ENDPOINT, chance) <= whole


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", 0.0),
        ("soon", 0.0),
        ("9" * 400, RETRY_AFTER_SECONDS_MAX),
        (format_datetime(datetime.fromtimestamp(AT / SECOND_US + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(AT / SECOND_US - 90, UTC), usegmt=True), 0.0),
    ],
)
def test_what_an_endpoint_asks_for_is_read_within_bounds(text: str | None, seconds: float) -> None:
    assert asked_wait(text, AT) == seconds


def test_the_longer_wait_holds() -> None:
    asked = receipt(NEW, Answer(503, None, "90"), ENDPOINT, AT, 0.0)
    assert asked.next_at == AT + 90 * SECOND_US
    own = receipt(NEW, Answer(503, None, "1"), ENDPOINT, AT, 0.0)
    assert own.next_at == AT + 2 * SECOND_US


def test_an_alert_too_old_to_be_news_is_parked_before_its_first_try_alone() -> None:
    old = AT - 3_601 * SECOND_US
    assert stale(NEW, AT - 3_600 * SECOND_US, ENDPOINT, AT) is None
    parked = stale(NEW, old, ENDPOINT, AT)
    assert parked is not None
    assert (parked.state, parked.attempts) == (State.PARKED, 0)
    assert stale(NEW._replace(state=State.ASKED), old, ENDPOINT, AT) is None
    assert stale(NEW._replace(state=State.RETRYING), old, ENDPOINT, AT) is None


@given(
    st.builds(
        Receipt,
        id=st.text(max_size=40),
        state=st.sampled_from(State),
        attempts=st.integers(0, 1_000),
        at=st.integers(0, 1 << 61),
        status=st.none() | st.integers(100, 599),
        error=st.none() | st.text(),
        next_at=st.none() | st.integers(0, 1 << 61),
        alert_offset=st.integers(0, 1 << 61),
        alert=st.none() | st.binary(),
    )
)
def test_a_receipt_is_read_back(made: Receipt) -> None:
    assert rows.decode(rows.encode(made, 7)) == made


@pytest.mark.parametrize("value", [None, b"", b"stray", b"\0\0\0\0\7", b"\0\0\0\0\7\xff\xff\xff"])
def test_what_is_no_receipt_is_told(value: bytes | None) -> None:
    with pytest.raises(NoReceipt):
        rows.decode(value)


def test_no_secret_is_shown() -> None:
    shown = repr(replace(ENDPOINT, url="https://example.com/hidden", secrets=("whsec_hidden",)))
    assert "hidden" not in shown
    assert ENDPOINT.address == "https://u:1"
