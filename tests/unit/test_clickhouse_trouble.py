"""How long a neighbour may be away, and how often that is said."""

from __future__ import annotations

import logging

import pytest

from connectors.clickhouse.settings import LOG_SECONDS, RETRY_DELAYS_SECONDS, RETRY_SECONDS_MAX
from connectors.clickhouse.trouble import GaveUp, Trouble

SETTING = "TALLY_CLICKHOUSE__URL"
AWAY = ConnectionError("ClickHouse at http://127.0.0.1:1: no connection")


def test_the_pause_between_tries_grows_to_its_bound() -> None:
    trouble = Trouble("ClickHouse", SETTING)
    delays = [trouble.met(AWAY, 0.0) for _ in range(len(RETRY_DELAYS_SECONDS) + 2)]
    assert delays == [*RETRY_DELAYS_SECONDS, *RETRY_DELAYS_SECONDS[-1:] * 2]


def test_it_is_tried_again_after_the_pause_and_not_before() -> None:
    trouble = Trouble("ClickHouse", SETTING)
    delay = trouble.met(AWAY, 100.0)
    assert not trouble.may_try(100.0 + delay - 0.01)
    assert trouble.may_try(100.0 + delay)


def test_it_is_said_at_once_and_then_steadily(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tally.sink")
    trouble = Trouble("ClickHouse", SETTING)
    for tenth in range(10 * LOG_SECONDS * 3):
        trouble.met(AWAY, tenth / 10)
    assert len(caplog.records) == 3
    assert "http://127.0.0.1:1: no connection. Start it" in caplog.text


def test_what_mends_it_is_said_while_it_is_tried_and_when_it_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tally.sink")
    trouble = Trouble("Kafka", "TALLY_KAFKA__BOOTSTRAP_SERVERS")
    mend = "Start it (`tally up`), or set TALLY_KAFKA__BOOTSTRAP_SERVERS to one that answers"
    trouble.met(AWAY, 0.0)
    assert f"http://127.0.0.1:1: no connection. {mend}. Trying again" in caplog.text
    with pytest.raises(GaveUp) as gave_up:
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)
    assert mend in str(gave_up.value)


def test_it_is_given_up_after_the_bound_and_not_at_it() -> None:
    trouble = Trouble("ClickHouse", SETTING)
    trouble.met(AWAY, 0.0)
    trouble.met(AWAY, float(RETRY_SECONDS_MAX))
    with pytest.raises(GaveUp, match="start the sink again"):
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)


def test_what_is_over_begins_anew() -> None:
    trouble = Trouble("ClickHouse", SETTING)
    trouble.met(AWAY, 0.0)
    trouble.over(1.0)
    assert not trouble.lasts
    assert trouble.met(AWAY, RETRY_SECONDS_MAX + 5.0) == RETRY_DELAYS_SECONDS[0]
