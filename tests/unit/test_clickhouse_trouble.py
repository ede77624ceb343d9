"""How long a neighbour may be away, and how often that is said."""

from __future__ import annotations

import logging

import pytest

from connectors.clickhouse.settings import LOG_SECONDS, RETRY_DELAYS_SECONDS, RETRY_SECONDS_MAX
from connectors.clickhouse.trouble import GaveUp, Trouble

AWAY = ConnectionError("ClickHouse at http://127.0.0.1:1: no connection")


def test_the_pause_between_tries_grows_to_its_bound() -> None:
    trouble = Trouble("ClickHouse")
    delays = [trouble.met(AWAY, 0.0) for _ in range(len(RETRY_DELAYS_SECONDS) + 2)]
    assert delays == [*RETRY_DELAYS_SECONDS, *RETRY_DELAYS_SECONDS[-1:] * 2]


def test_it_is_tried_again_after_the_pause_and_not_before() -> None:
    trouble = Trouble("ClickHouse")
    delay = trouble.met(AWAY, 100.0)
    assert not trouble.may_try(100.0 + delay - 0.01)
    assert trouble.may_try(100.0 + delay)


def test_it_is_said_at_once_and_then_steadily(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tally.sink")
    trouble = Trouble("ClickHouse")
    for tenth in range(10 * LOG_SECONDS * 3):
        trouble.met(AWAY, tenth / 10)
    assert len(caplog.records) == 3
    assert "http://127.0.0.1:1: no connection. Trying again" in caplog.text


def test_it_is_given_up_after_the_bound_and_not_at_it() -> None:
    trouble = Trouble("ClickHouse")
    trouble.met(AWAY, 0.0)
    trouble.met(AWAY, float(RETRY_SECONDS_MAX))
    with pytest.raises(GaveUp, match="start the sink again"):
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)


def test_what_is_over_begins_anew() -> None:
    trouble = Trouble("ClickHouse")
    trouble.met(AWAY, 0.0)
    trouble.over(1.0)
    assert not trouble.lasts
    assert trouble.met(AWAY, RETRY_SECONDS_MAX + 5.0) == RETRY_DELAYS_SECONDS[0]
