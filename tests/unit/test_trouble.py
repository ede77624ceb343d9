"""How long a neighbour may be away, and how often that is said."""

from __future__ import annotations

import logging
import threading

import pytest

from connectors.trouble import LOG_SECONDS, RETRY_DELAYS_SECONDS, RETRY_SECONDS_MAX, GaveUp, Trouble

SETTING = "TALLY_CLICKHOUSE__URL"
AWAY = ConnectionError("ClickHouse at http://127.0.0.1:1: no connection")


def test_the_pause_between_tries_grows_to_its_bound() -> None:
    trouble = Trouble("ClickHouse", SETTING, "sink")
    delays = [trouble.met(AWAY, 0.0) for _ in range(len(RETRY_DELAYS_SECONDS) + 2)]
    assert delays == [*RETRY_DELAYS_SECONDS, *RETRY_DELAYS_SECONDS[-1:] * 2]


def test_it_is_tried_again_after_the_pause_and_not_before() -> None:
    trouble = Trouble("ClickHouse", SETTING, "sink")
    delay = trouble.met(AWAY, 100.0)
    assert not trouble.may_try(100.0 + delay - 0.01)
    assert trouble.may_try(100.0 + delay)


def test_it_is_said_at_once_and_then_steadily(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tally.sink")
    trouble = Trouble("ClickHouse", SETTING, "sink")
    for tenth in range(10 * LOG_SECONDS * 3):
        trouble.met(AWAY, tenth / 10)
    assert len(caplog.records) == 3
    assert "http://127.0.0.1:1: no connection. Start it" in caplog.text


def test_what_mends_it_is_said_while_it_is_tried_and_when_it_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tally.sink")
    trouble = Trouble("Kafka", "TALLY_KAFKA__BOOTSTRAP_SERVERS", "sink")
    mend = "Start it (`tally up`), or set TALLY_KAFKA__BOOTSTRAP_SERVERS to one that answers"
    trouble.met(AWAY, 0.0)
    assert f"http://127.0.0.1:1: no connection. {mend}. Trying again" in caplog.text
    with pytest.raises(GaveUp) as gave_up:
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)
    assert mend in str(gave_up.value)


def test_it_is_given_up_after_the_bound_and_not_at_it() -> None:
    trouble = Trouble("ClickHouse", SETTING, "sink")
    trouble.met(AWAY, 0.0)
    trouble.met(AWAY, float(RETRY_SECONDS_MAX))
    with pytest.raises(GaveUp, match="start `tally sink` again"):
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)


def test_what_is_over_begins_anew() -> None:
    trouble = Trouble("ClickHouse", SETTING, "sink")
    trouble.met(AWAY, 0.0)
    trouble.over(1.0)
    assert not trouble.lasts
    assert trouble.met(AWAY, RETRY_SECONDS_MAX + 5.0) == RETRY_DELAYS_SECONDS[0]


def test_a_wait_ends_with_the_first_try_that_succeeds() -> None:
    tries = iter([AWAY, AWAY, None])

    def attempt() -> None:
        if error := next(tries):
            raise error

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return False

    waited: list[float | None] = []
    trouble = Trouble("ClickHouse", SETTING, "sink")
    assert trouble.wait(Impatient(), attempt, ConnectionError)
    assert waited == list(RETRY_DELAYS_SECONDS[:2])
    assert not trouble.lasts


def test_a_stop_ends_a_wait() -> None:
    stop = threading.Event()

    def attempt() -> None:
        stop.set()
        raise AWAY

    assert not Trouble("ClickHouse", SETTING, "sink").wait(stop, attempt, ConnectionError)


def test_another_error_is_not_waited_for() -> None:
    def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Trouble("ClickHouse", SETTING, "sink").wait(threading.Event(), attempt, ConnectionError)


def test_each_service_speaks_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("Kafka", SETTING, "notify")
    trouble.met(AWAY, 0.0)
    assert [record.name for record in caplog.records] == ["tally.notify"]
    with pytest.raises(GaveUp, match="start `tally notify` again"):
        trouble.met(AWAY, RETRY_SECONDS_MAX + 0.1)
